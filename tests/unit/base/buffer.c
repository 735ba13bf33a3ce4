// SPDX-License-Identifier: Apache-2.0
#include "base/buffer.h"

#include "check.h"

static void grows_and_stays_terminated(void **state)
{
	autoclear(Buffer) buffer = {0};

	(void)state;
	assert_string_equal(buffer_text(&buffer), "");
	for (int i = 0; i < 10000; i++)
		assert_true(buffer_printf(&buffer, "%d,", i % 10));
	assert_int_equal(buffer.length, 20000);
	assert_int_equal(strlen(buffer_text(&buffer)), 20000);
	assert_memory_equal(buffer_text(&buffer) + 19996, "8,9,", 5);
}

static void refuses_what_is_over_its_limit(void **state)
{
	autoclear(Buffer) buffer = {0};

	(void)state;
	buffer_init(&buffer, 5);
	assert_true(buffer_add_text(&buffer, "abc"));
	assert_false(buffer_add_text(&buffer, "def"));
	assert_true(buffer_overflown(&buffer));
	assert_string_equal(buffer_text(&buffer), "abc");
	assert_false(buffer_add_char(&buffer, 'd')); /* it would fit, but the text would have a hole */
	assert_false(buffer_printf(&buffer, "%s", "x"));
	assert_null(buffer_reserve(&buffer, 1));
	assert_string_equal(buffer_text(&buffer), "abc");

	buffer_clear(&buffer);
	assert_false(buffer_overflown(&buffer));
	assert_true(buffer_add_text(&buffer, "abcde"));
	assert_false(buffer_add_char(&buffer, 'f')); /* the limit is still there */
}

static void refuses_sizes_that_wrap_around(void **state)
{
	autoclear(Buffer) buffer = {0};

	(void)state;
	assert_true(buffer_add_text(&buffer, "abc"));
	assert_null(buffer_reserve(&buffer, SIZE_MAX - 1));
	assert_true(buffer_overflown(&buffer));
}

static void drops_from_both_ends(void **state)
{
	autoclear(Buffer) buffer = {0};

	(void)state;
	buffer_consume(&buffer, 3);
	buffer_truncate(&buffer, 0);
	buffer_add_text(&buffer, "abcdef");
	buffer_consume(&buffer, 2);
	assert_string_equal(buffer_text(&buffer), "cdef");
	buffer_truncate(&buffer, 3);
	assert_string_equal(buffer_text(&buffer), "cde");
	buffer_truncate(&buffer, 9);
	assert_string_equal(buffer_text(&buffer), "cde");
	buffer_consume(&buffer, 9);
	assert_string_equal(buffer_text(&buffer), "");
	assert_int_equal(buffer.length, 0);
}

static void gives_away_its_text(void **state)
{
	autoclear(Buffer) buffer = {0};

	(void)state;
	check_text(buffer_steal(&buffer), "");
	memcpy(buffer_reserve(&buffer, 100), "hello", 5);
	buffer_commit(&buffer, 5);
	check_text(buffer_steal(&buffer), "hello");
	assert_null(buffer.data);
	assert_int_equal(buffer.length, 0);
	assert_true(buffer_add_text(&buffer, "again"));
	assert_string_equal(buffer_text(&buffer), "again");
}

static void keeps_nul_bytes(void **state)
{
	autoclear(Buffer) buffer = {0};

	(void)state;
	buffer_add(&buffer, "a\0b", 3);
	buffer_add(&buffer, NULL, 0);
	assert_int_equal(buffer.length, 3);
	assert_memory_equal(buffer.data, "a\0b", 4);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(grows_and_stays_terminated),
		cmocka_unit_test(refuses_what_is_over_its_limit),
		cmocka_unit_test(refuses_sizes_that_wrap_around),
		cmocka_unit_test(drops_from_both_ends),
		cmocka_unit_test(gives_away_its_text),
		cmocka_unit_test(keeps_nul_bytes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

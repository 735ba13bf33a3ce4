// SPDX-License-Identifier: Apache-2.0
#include "base/strings.h"

#include "check.h"

static void compares_and_replaces(void **state)
{
	char *slot = NULL;

	(void)state;
	assert_true(string_equal(NULL, NULL));
	assert_false(string_equal(NULL, ""));
	assert_true(string_empty(NULL) && string_empty("") && !string_empty(" "));
	assert_true(string_starts("abc", "ab") && !string_starts("a", "ab"));
	assert_true(string_ends("abc", "bc") && !string_ends("c", "bc"));
	assert_false(string_replace(&slot, NULL));
	assert_true(string_replace(&slot, "hello"));
	assert_false(string_replace(&slot, "hello"));
	assert_true(string_replace(&slot, slot + 2)); /* a part of what it replaces */
	assert_string_equal(slot, "llo");
	assert_true(string_replace(&slot, NULL));
	assert_null(slot);
}

static void trims_and_lowers(void **state)
{
	char text[] = " \t a b \n", blank[] = "  ";

	(void)state;
	assert_string_equal(string_trim(text), "a b");
	assert_string_equal(string_trim(blank), "");
	check_text(string_lower("Ab\u00c9Z"), "ab\u00c9z");
}

static void tells_utf8(void **state)
{
	static const char *const good[] = {"", "abc", "\u00e9", "\u20ac", "\U0001f600", "\u07ff\u0800\uffff"};
	static const char *const bad[] = {"\x80", "\xc3", "\xc0\xaf", "\xc1\x81", "\xe0\x9f\xbf", "\xed\xa0\x80",
		"\xf0\x8f\xbf\xbf", "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xe2\x82", "\xff", "a\xe2\x28\xa1"};

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++)
		assert_true(string_is_utf8(good[i], strlen(good[i])));
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		assert_false(string_is_utf8(bad[i], strlen(bad[i])));
	assert_int_equal(string_utf8_character("\u20ac", 2), 0); /* cut off */
	assert_int_equal(string_utf8_character("\u20acx", 4), 3);
}

static void reads_whole_numbers(void **state)
{
	int64_t number = 5;

	(void)state;
	check_ok(string_to_int64(&number, "9223372036854775807", INT64_MIN, INT64_MAX));
	assert_int_equal(number, INT64_MAX);
	check_ok(string_to_int64(&number, "-9223372036854775808", INT64_MIN, INT64_MAX));
	assert_int_equal(number, INT64_MIN);
	check_ok(string_to_int64(&number, "007", 0, 10));
	assert_int_equal(number, 7);
	check_invalid(string_to_int64(&number, "9223372036854775808", 0, INT64_MAX),
		"9223372036854775808 is not between 0 and 9223372036854775807");
	check_invalid(string_to_int64(&number, "0", 1, 65535), "0 is not between 1 and 65535");
	for (const char *const *text =
			(const char *const[]){"", "-", "+1", " 1", "1 ", "1x", "0x1", "1e3", "--1", NULL};
		*text; text++) {
		autofree char *message = string_printf("\"%s\" is not a whole number", *text);
		check_invalid(string_to_int64(&number, *text, INT64_MIN, INT64_MAX), message);
	}
	assert_int_equal(number, 7);
}

static void reads_sizes(void **state)
{
	static const struct {
		const char *text;
		int64_t bytes;
	} cases[] = {{"0", 0}, {"512", 512}, {"512b", 512}, {"512B", 512}, {"1k", 1024}, {"1K", 1024},
		{"64m", 64 << 20}, {"64MB", 64 << 20}, {"64MiB", 64 << 20}, {"64 mib", 64 << 20}, {"1g", 1 << 30},
		{"1.5g", 3 << 29}, {"2t", INT64_C(2) << 40}, {"0.5k", 512}, {"1.9", 1},
		{"8388607t", INT64_C(8388607) << 40}, {"9223372036854775807", INT64_MAX},
		{"0.99999999999999999999k", 1023}};
	int64_t bytes;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		check_ok(string_to_bytes(&bytes, cases[i].text));
		assert_int_equal(bytes, cases[i].bytes);
	}
}

static void refuses_what_is_no_size(void **state)
{
	static const char *const cases[] = {"", "m", "-1", "+1", "1x", "1bb", "1kk", "1kbx", "1.m", ".5m", "1..5m",
		"1  m", " 1m", "1m ", "0x10", "1e3", "1ki", "1bib"};
	int64_t bytes = 7;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		autofree char *message = string_printf("\"%s\" is not a size such as 512, 64m or 1.5g", cases[i]);
		check_invalid(string_to_bytes(&bytes, cases[i]), message);
	}
	check_invalid(string_to_bytes(&bytes, "8388608t"), "size \"8388608t\" is too large");
	check_invalid(string_to_bytes(&bytes, "9223372036854775808"), "size \"9223372036854775808\" is too large");
	assert_int_equal(bytes, 7);
}

static void reads_decimals_exactly(void **state)
{
	static const struct {
		const char *text;
		int64_t nano;
	} cases[] = {{"0", 0}, {"1", 1000000000}, {"1.5", 1500000000}, {".5", 500000000}, {"0.1", 100000000},
		{"0.000000001", 1}, {"2.999999999", 2999999999}, {"9223372036.854775807", INT64_MAX}};
	int64_t nano = 7;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		check_ok(string_to_nano(&nano, cases[i].text));
		assert_int_equal(nano, cases[i].nano);
	}
	for (const char *const *text =
			(const char *const[]){"", ".", "1.", "-1", "1.0000000001", "1.5x", "x", "1,5", "1.-5", NULL};
		*text; text++) {
		autofree char *message = string_printf("\"%s\" is not a number with at most nine decimals", *text);
		check_invalid(string_to_nano(&nano, *text), message);
	}
	check_invalid(string_to_nano(&nano, "9223372036.854775808"), "number \"9223372036.854775808\" is too large");
	check_invalid(string_to_nano(&nano, "99999999999999999999"), "number \"99999999999999999999\" is too large");
}

static void makes_hex(void **state)
{
	char a[65], b[65];

	(void)state;
	check_text(string_hex("\x00\xff\x1a", 3), "00ff1a");
	string_random_hex(a, 64);
	string_random_hex(b, 64);
	assert_int_equal(strlen(a), 64);
	assert_int_equal(strspn(a, "0123456789abcdef"), 64);
	assert_string_not_equal(a, b);
	string_random_hex(a, 0);
	assert_string_equal(a, "");
}

static void splits_and_joins(void **state)
{
	autoclear(StringList) list = {0};

	(void)state;
	strings_split(&list, "", ',');
	assert_int_equal(list.count, 0);
	strings_split(&list, "a,,b,", ',');
	assert_int_equal(list.count, 4);
	assert_string_equal(list.items[1], "");
	assert_string_equal(list.items[3], "");
	assert_null(list.items[4]);
	check_text(strings_join(&list, "; "), "a; ; b; ");
	strings_split(&list, "x", ',');
	check_text(strings_join(&list, ", "), "x");
}

static void lists_stay_terminated(void **state)
{
	autoclear(StringList) list = {0}, copy = {0};

	(void)state;
	for (int i = 0; i < 1000; i++) {
		strings_printf(&list, "%03d", 999 - i);
		assert_null(list.items[list.count]);
		if (i % 3 == 2)
			strings_remove(&list, 0);
		assert_null(list.items[list.count]);
	}
	assert_int_equal(list.count, 667);
	strings_copy(&copy, &list);
	strings_copy(&copy, &copy);
	strings_sort(&copy);
	assert_string_equal(copy.items[0], "000");
	assert_string_equal(copy.items[666], "666");
	assert_true(strings_has(&copy, "123") && !strings_has(&copy, "999"));
}

static void reads_and_sets_environments(void **state)
{
	autoclear(StringList) env = {0};

	(void)state;
	strings_env_set(&env, "A=1");
	strings_env_set(&env, "AB=2");
	strings_env_set(&env, "EMPTY=");
	strings_env_set(&env, "BARE");
	assert_string_equal(strings_env(&env, "A"), "1");
	assert_string_equal(strings_env(&env, "AB"), "2");
	assert_string_equal(strings_env(&env, "EMPTY"), "");
	assert_null(strings_env(&env, "BARE"));
	assert_null(strings_env(&env, "B"));
	strings_env_set(&env, "A=3=4");
	assert_string_equal(strings_env(&env, "A"), "3=4");
	assert_int_equal(env.count, 4);
}

static void maps_keep_their_order(void **state)
{
	autoclear(StringMap) map = {0}, copy = {0};

	(void)state;
	assert_null(map_get(&map, "a"));
	for (int i = 9; i >= 0; i--) {
		char key[] = {'k', (char)('0' + i), '\0'};
		map_set(&map, key, key + 1);
	}
	map_set(&map, "k5", "five");
	assert_true(map_remove(&map, "k9"));
	assert_false(map_remove(&map, "k9"));
	map_copy(&copy, &map);
	assert_int_equal(copy.count, 9);
	assert_string_equal(copy.items[0].key, "k8");
	assert_string_equal(copy.items[8].key, "k0");
	assert_string_equal(map_get(&copy, "k5"), "five");
	assert_true(map_get(&copy, "k5") != map_get(&map, "k5"));
}

static void finds_names(void **state)
{
	static const char *const names[] = {"a", NULL, "c"};

	(void)state;
	assert_int_equal(names_find(names, 3, "c"), 2);
	assert_int_equal(names_find(names, 3, "b"), -1);
	assert_int_equal(names_find(names, 3, NULL), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(compares_and_replaces),
		cmocka_unit_test(trims_and_lowers),
		cmocka_unit_test(tells_utf8),
		cmocka_unit_test(reads_whole_numbers),
		cmocka_unit_test(reads_sizes),
		cmocka_unit_test(refuses_what_is_no_size),
		cmocka_unit_test(reads_decimals_exactly),
		cmocka_unit_test(makes_hex),
		cmocka_unit_test(splits_and_joins),
		cmocka_unit_test(lists_stay_terminated),
		cmocka_unit_test(reads_and_sets_environments),
		cmocka_unit_test(maps_keep_their_order),
		cmocka_unit_test(finds_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

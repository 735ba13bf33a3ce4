// SPDX-License-Identifier: Apache-2.0
#include "base/table.h"

#include "check.h"

enum { MANY = 5000 };

static char numbers[MANY];

static void fill(Table *table)
{
	char key[16];

	for (int i = 0; i < MANY; i++) {
		snprintf(key, sizeof(key), "key%d", i);
		assert_null(table_set(table, key, &numbers[i]));
	}
}

static void finds_what_was_set(void **state)
{
	autoptr(Table) table = table_new();
	char key[16];

	(void)state;
	assert_null(table_get(table, "key1"));
	assert_null(table_remove(table, "key1"));
	fill(table);
	assert_int_equal(table_count(table), MANY);
	for (int i = 0; i < MANY; i++) {
		snprintf(key, sizeof(key), "key%d", i);
		assert_ptr_equal(table_get(table, key), &numbers[i]);
	}
	assert_null(table_get(table, "key"));
	assert_ptr_equal(table_set(table, "key7", key), &numbers[7]);
	assert_ptr_equal(table_get(table, "key7"), key);
	assert_ptr_equal(table_remove(table, "key7"), key);
	assert_null(table_get(table, "key7"));
	assert_int_equal(table_count(table), MANY - 1);
}

static void iteration_survives_removal(void **state)
{
	autoptr(Table) table = table_new();
	size_t cursor = 0;
	int seen = 0;
	const char *key;
	void *value;

	(void)state;
	fill(table);
	while (table_next(table, &cursor, &key, &value)) {
		assert_int_equal(numbers[(char *)value - numbers]++, 0);
		if (++seen % 2)
			assert_ptr_equal(table_remove(table, key), value);
	}
	assert_int_equal(seen, MANY);
	assert_int_equal(table_count(table), MANY / 2);
}

static void graves_do_not_fill_it(void **state)
{
	autoptr(Table) table = table_new();
	char key[24];

	(void)state;
	for (int i = 0; i < 100000; i++) {
		snprintf(key, sizeof(key), "key%d", i);
		table_set(table, key, numbers);
		assert_ptr_equal(table_remove(table, key), numbers);
	}
	assert_int_equal(table_count(table), 0);
	assert_null(table_get(table, "key1"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(finds_what_was_set),
		cmocka_unit_test(iteration_survives_removal),
		cmocka_unit_test(graves_do_not_fill_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

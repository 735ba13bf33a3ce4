// SPDX-License-Identifier: Apache-2.0
#include "telemetry/marks.h"

#include "check.h"

static LogSpot spot(int64_t line)
{
	return (LogSpot){.file = 1, .offset = 10 * line, .line = line};
}

static void test_what_arrived_is_sure(void **state)
{
	Marks marks;
	LogSpot at = spot(0), one = spot(1), two = spot(2);

	(void)state;
	marks_begin(&marks, &at, 0);
	assert_false(marks_are_open(&marks));
	assert_int_equal(marks_sure(&marks).line, 0);
	marks_add(&marks, &one, 100, 1000);
	marks_add(&marks, &two, 100, 2000);
	assert_false(marks_settle(&marks, 99, 5000)); /* not all of it has arrived */
	assert_false(marks_settle(&marks, 200, 999)); /* not long enough ago */
	assert_true(marks_settle(&marks, 200, 1000));
	assert_int_equal(marks_sure(&marks).line, 1);
	assert_true(marks_are_open(&marks));
	assert_true(marks_settle(&marks, 200, 2000));
	assert_int_equal(marks_sure(&marks).line, 2);
	assert_false(marks_are_open(&marks));
}

static void test_unread_bytes_are_kept(void **state)
{
	Marks marks;
	LogSpot at = spot(0);

	(void)state;
	marks_begin(&marks, &at, 250);
	for (int64_t line = 1; line <= 10; line++) {
		LogSpot next = spot(line);
		marks_add(&marks, &next, 100, line);
		marks_settle(&marks, marks.bytes, line);
	}
	assert_int_equal(marks_sure(&marks).line, 10);
	/* 1000 bytes were sent, 250 may be unread: from 750 on, with the mark before it. */
	assert_in_range(marks_unread(&marks).line, 6, 7);
}

static void test_more_than_there_is_room_for(void **state)
{
	Marks marks;
	LogSpot at = spot(0);

	(void)state;
	marks_begin(&marks, &at, 1 << 20);
	for (int64_t line = 1; line <= 2 * MARKS_MAX; line++) {
		LogSpot next = spot(line);
		marks_add(&marks, &next, 1, line);
	}
	assert_int_equal(marks_sure(&marks).line, 0); /* nothing is sure before its time */
	assert_true(marks_settle(&marks, marks.bytes, 2 * MARKS_MAX));
	assert_int_equal(marks_sure(&marks).line, 2 * MARKS_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_arrived_is_sure),
		cmocka_unit_test(test_unread_bytes_are_kept),
		cmocka_unit_test(test_more_than_there_is_room_for),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

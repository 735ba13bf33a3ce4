// SPDX-License-Identifier: Apache-2.0
/* Restart policies as tables: who is started again, and after how long. */
#include "base/clock.h"
#include "engine/container_internal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

typedef struct Case {
	RestartQuestion question;
	bool wanted;
} Case;

static const Case cases[] = {
	{{.policy = RESTART_NO, .exit_code = 1}, false},
	{{.policy = RESTART_NO, .rebooted = true}, true},
	{{.policy = RESTART_NO, .rebooted = true, .user_stopped = true}, false},
	{{.policy = RESTART_ALWAYS, .exit_code = 0}, true},
	{{.policy = RESTART_ALWAYS, .exit_code = 137, .attempts = 1000}, true},
	{{.policy = RESTART_ALWAYS, .user_stopped = true}, false},
	{{.policy = RESTART_UNLESS_STOPPED, .exit_code = 0}, true},
	{{.policy = RESTART_UNLESS_STOPPED, .user_stopped = true}, false},
	{{.policy = RESTART_ON_FAILURE, .exit_code = 0}, false},
	{{.policy = RESTART_ON_FAILURE, .exit_code = 1}, true},
	{{.policy = RESTART_ON_FAILURE, .exit_code = 1, .max_attempts = 2, .attempts = 1}, true},
	{{.policy = RESTART_ON_FAILURE, .exit_code = 1, .max_attempts = 2, .attempts = 2}, false},
	{{.policy = RESTART_ON_FAILURE, .exit_code = 1, .user_stopped = true}, false},
};

static void test_policies(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_int_equal(restart_wanted(&cases[i].question), cases[i].wanted);
}

static void test_delays_grow_to_a_minute(void **state)
{
	static const int64_t milliseconds[] = {100, 200, 400, 800, 1600, 3200, 6400, 12800, 25600, 51200, 60000, 60000};
	int64_t delay = 0;

	(void)state;
	for (size_t i = 0; i < sizeof(milliseconds) / sizeof(milliseconds[0]); i++) {
		delay = restart_delay_ns(delay, NANOS_PER_SECOND);
		assert_int_equal(delay, milliseconds[i] * NANOS_PER_MILLI);
	}
}

static void test_ten_seconds_of_life_reset_the_delay(void **state)
{
	(void)state;
	assert_int_equal(restart_delay_ns(60 * NANOS_PER_SECOND, 10 * NANOS_PER_SECOND), 100 * NANOS_PER_MILLI);
	assert_int_equal(restart_delay_ns(6400 * NANOS_PER_MILLI, 10 * NANOS_PER_SECOND - 1), 12800 * NANOS_PER_MILLI);
}

static void test_names(void **state)
{
	static const char *const good[] = {"ab", "a1", "web-1", "a_b.c", "0x"};
	static const char *const bad[] = {"", "a", "-ab", ".ab", "a b", "a/b", "a\nb",
		"\xc3\xa4"
		"b"};

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		assert_null(name_check(good[i]));
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		Error *error = name_check(bad[i]);
		assert_non_null(error);
		assert_int_equal(error_kind(error), ERROR_INVALID);
		error_free(error);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_policies),
		cmocka_unit_test(test_delays_grow_to_a_minute),
		cmocka_unit_test(test_ten_seconds_of_life_reset_the_delay),
		cmocka_unit_test(test_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

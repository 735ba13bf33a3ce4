// SPDX-License-Identifier: Apache-2.0
#include <signal.h>

#include "base/process.h"
#include "check.h"

static void reads_names_and_numbers(void **state)
{
	const struct {
		const char *text;
		int number;
	} cases[] = {{"TERM", SIGTERM}, {"SIGTERM", SIGTERM}, {"sigterm", SIGTERM}, {"15", SIGTERM}, {"kill", SIGKILL},
		{"9", SIGKILL}, {"USR2", SIGUSR2}, {"WINCH", SIGWINCH}, {"CLD", SIGCHLD}, {"RTMIN", SIGRTMIN},
		{"SIGRTMIN+3", SIGRTMIN + 3}, {"RTMAX-1", SIGRTMAX - 1}, {"SIGRTMAX", SIGRTMAX}, {"64", 64}};
	int number;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		check_ok(signal_parse(&number, cases[i].text));
		assert_int_equal(number, cases[i].number);
	}
}

static void refuses_other_words(void **state)
{
	static const char *const cases[] = {"", "SIG", "FOO", "0", "-1", "65", "9x", "+9", " 9", "RTMIN+31", "RTMIN-1",
		"RTMIN+", "RTMAX+1", "SIGSIGTERM", "TERMx", "99999999999999999999"};
	int number = 7;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		char message[64];
		snprintf(message, sizeof(message), "unknown signal \"%s\"", cases[i]);
		check_invalid(signal_parse(&number, cases[i]), message);
	}
	assert_int_equal(number, 7);
}

static void every_name_is_read_back(void **state)
{
	int number, known = 0;

	(void)state;
	for (int i = -1; i <= 70; i++) {
		const char *name = signal_name(i);
		if (!name)
			continue;
		check_ok(signal_parse(&number, name));
		assert_int_equal(number, i);
		known++;
	}
	assert_int_equal(known, 31 + SIGRTMAX - SIGRTMIN + 1);
	assert_string_equal(signal_name(SIGTERM), "TERM");
	assert_null(signal_name(0));
	assert_null(signal_name(32));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_names_and_numbers),
		cmocka_unit_test(refuses_other_words),
		cmocka_unit_test(every_name_is_read_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

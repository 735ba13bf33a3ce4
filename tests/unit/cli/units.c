// SPDX-License-Identifier: Apache-2.0
#include "cli/units.h"

#include <time.h>

#include "base/clock.h"

#include "check.h"

static void decimal(void **state)
{
	static const struct {
		double bytes;
		int digits;
		const char *text;
	} cases[] = {
		{0, 3, "0B"},
		{999, 3, "999B"},
		{1000, 3, "1kB"},
		{1049000, 4, "1.049MB"},
		{1234567, 3, "1.23MB"},
		{999999, 3, "1MB"},
		{999.9, 3, "1kB"},
		{123456789012.0, 3, "123GB"},
		{9.3e18, 3, "9.3EB"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char text[UNITS_TEXT_MAX];
		units_decimal(text, cases[i].bytes, cases[i].digits);
		assert_string_equal(text, cases[i].text);
	}
}

static void binary(void **state)
{
	static const struct {
		double bytes;
		const char *text;
	} cases[] = {{0, "0B"}, {1023, "1023B"}, {1024, "1KiB"}, {1536, "1.5KiB"}, {634880, "620KiB"},
		{67108864, "64MiB"}, {25275662336.0, "23.54GiB"}};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char text[UNITS_TEXT_MAX];
		units_binary(text, cases[i].bytes);
		assert_string_equal(text, cases[i].text);
	}
}

static void in_zone(const char *zone)
{
	setenv("TZ", zone, 1);
	tzset();
}

static void times(void **state)
{
	char text[UNITS_TEXT_MAX];
	int64_t when = INT64_C(1795368328) * NANOS_PER_SECOND + 528668427;

	(void)state;
	in_zone("UTC");
	units_local_rfc3339(text, when);
	assert_string_equal(text, "2026-11-22T17:25:28.528668427Z");
	units_local_time(text, when);
	assert_string_equal(text, "2026-11-22 17:25:28 +0000 UTC");
	in_zone("CET-1");
	units_local_rfc3339(text, when);
	assert_string_equal(text, "2026-11-22T18:25:28.528668427+01:00");
	in_zone("NST3:30");
	units_local_rfc3339(text, when);
	assert_string_equal(text, "2026-11-22T13:55:28.528668427-03:30");
	units_local_rfc3339(text, -1);
	assert_string_equal(text, "1969-12-31T20:29:59.999999999-03:30");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(decimal),
		cmocka_unit_test(binary),
		cmocka_unit_test(times),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

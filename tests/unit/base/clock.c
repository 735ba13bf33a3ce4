// SPDX-License-Identifier: Apache-2.0
#include "base/clock.h"

#include <time.h>

#include "check.h"

static void formats_times(void **state)
{
	static const struct {
		int64_t ns;
		const char *text;
	} cases[] = {
		{0, "0001-01-01T00:00:00Z"}, /* Docker's word for never */
		{1, "1970-01-01T00:00:00.000000001Z"},
		{-1, "1969-12-31T23:59:59.999999999Z"},
		{INT64_C(1795364700123456789), "2026-11-22T16:25:00.123456789Z"},
		{INT64_C(951782400000000000), "2000-02-29T00:00:00.000000000Z"},
		{INT64_C(4107542400000000000), "2100-03-01T00:00:00.000000000Z"}, /* 2100 has no leap day */
		{INT64_MAX, "2262-04-11T23:47:16.854775807Z"},
		{INT64_MIN, "1677-09-21T00:12:43.145224192Z"},
	};
	char text[CLOCK_TEXT_MAX];
	int64_t back;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		clock_format(text, cases[i].ns);
		assert_string_equal(text, cases[i].text);
		if (cases[i].ns == INT64_MIN)
			continue;
		check_ok(clock_parse(&back, text));
		assert_int_equal(back, cases[i].ns);
	}
}

static void agrees_with_the_c_library(void **state)
{
	char text[CLOCK_TEXT_MAX], expected[CLOCK_TEXT_MAX];

	(void)state;
	for (int64_t seconds = -5000000000; seconds < 9000000000; seconds += 86400 * 17 + 4321) {
		time_t when = (time_t)seconds;
		struct tm parts;
		gmtime_r(&when, &parts);
		strftime(expected, sizeof(expected), "%Y-%m-%dT%H:%M:%S.000000000Z", &parts);
		clock_format(text, seconds * NANOS_PER_SECOND);
		assert_string_equal(text, expected);
	}
}

static void parses_times(void **state)
{
	static const struct {
		const char *text;
		int64_t ns;
	} cases[] = {
		{"1970-01-01T00:00:00Z", 0},
		{"0001-01-01T00:00:00Z", 0},
		{"1970-01-01t00:00:01z", NANOS_PER_SECOND},
		{"1970-01-01T01:00:00+01:00", 0},
		{"1969-12-31T18:30:00-05:30", 0},
		{"1970-01-01T00:00:00.5Z", NANOS_PER_SECOND / 2},
		{"1970-01-01T00:00:00.1234567899Z", 123456789},
		{"2016-12-31T23:59:60Z", INT64_C(1483228800000000000)},
	};
	int64_t ns;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		check_ok(clock_parse(&ns, cases[i].text));
		assert_int_equal(ns, cases[i].ns);
	}
}

static void refuses_what_is_no_time(void **state)
{
	static const char *const cases[] = {"", "2026", "2026-11-22", "2026-11-22T16:25:00", "2026-13-01T00:00:00Z",
		"2026-02-29T00:00:00Z", "2100-02-29T00:00:00Z", "2026-11-22T24:00:00Z", "2026-11-22T16:60:00Z",
		"2026-11-22T16:25:61Z", "2026-11-22T16:25:00.Z", "2026-11-22T16:25:00Zx", "2026-11-22T16:25:00+1",
		"2026-11-22T16:25:00+24:00", "2026-00-10T00:00:00Z", "2026-01-00T00:00:00Z", "-026-01-01T00:00:00Z",
		"2026-11-22 16:25:00Z"};
	int64_t ns = 7;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		Error *error = clock_parse(&ns, cases[i]);
		assert_non_null(error);
		assert_int_equal(error_kind(error), ERROR_INVALID);
		error_free(error);
	}
	check_invalid(clock_parse(&ns, "noon"), "\"noon\" is not a time such as 2026-11-22T16:25:00Z");
	check_invalid(clock_parse(&ns, "9999-01-01T00:00:00Z"), "time \"9999-01-01T00:00:00Z\" is out of range");
	assert_int_equal(ns, 7);
}

static void parses_points(void **state)
{
	int64_t ns, now = clock_wall_ns();

	(void)state;
	check_ok(clock_parse_point(&ns, "1700000000"));
	assert_int_equal(ns, INT64_C(1700000000000000000));
	check_ok(clock_parse_point(&ns, "1700000000.000000007"));
	assert_int_equal(ns, INT64_C(1700000000000000007));
	check_ok(clock_parse_point(&ns, "0"));
	assert_int_equal(ns, 0);
	check_ok(clock_parse_point(&ns, "2026-11-22T16:25:00.123456789Z"));
	assert_int_equal(ns, INT64_C(1795364700123456789));
	check_ok(clock_parse_point(&ns, "2026-11-22T16:25:00"));
	assert_int_equal(ns, INT64_C(1795364700000000000));
	check_ok(clock_parse_point(&ns, "2026-11-22"));
	assert_int_equal(ns, INT64_C(1795305600000000000));
	check_ok(clock_parse_point(&ns, "10m"));
	assert_in_range(ns - (now - 600 * NANOS_PER_SECOND), 0, 5 * NANOS_PER_SECOND);
}

static void refuses_what_is_no_point(void **state)
{
	int64_t ns;

	(void)state;
	check_invalid(clock_parse_point(&ns, "yesterday"),
		"\"yesterday\" is not a point in time such as 1700000000, 2026-11-22T16:25:00Z or 10m");
	check_invalid(clock_parse_point(&ns, ""),
		"\"\" is not a point in time such as 1700000000, 2026-11-22T16:25:00Z or 10m");
	check_invalid(clock_parse_point(&ns, "1.2.3"), "\"1.2.3\" is not a time such as 2026-11-22T16:25:00Z");
	check_invalid(clock_parse_point(&ns, "99999999999999999999"),
		"time \"99999999999999999999\": 99999999999999999999 is not between 0 and 9223372035");
}

static void reads_and_writes_durations(void **state)
{
	static const struct {
		const char *text;
		int64_t ns;
		const char *written;
	} cases[] = {
		{"0", 0, "0s"},
		{"1m30s", 90 * NANOS_PER_SECOND, "1m30s"},
		{"100ms", 100 * NANOS_PER_MILLI, "100ms"},
		{"1.5h", 5400 * NANOS_PER_SECOND, "1h30m"},
		{"1h0m5s", 3605 * NANOS_PER_SECOND, "1h5s"},
		{"90s", 90 * NANOS_PER_SECOND, "1m30s"},
		{"1500us", 1500000, "1.5ms"},
		{"7\u00b5s", 7000, "7us"},
		{"3ns", 3, "3ns"},
		{"-2s", -2 * NANOS_PER_SECOND, "-2s"},
		{"+.5s", NANOS_PER_SECOND / 2, "500ms"},
		{"1.000000001s", NANOS_PER_SECOND + 1, "1.000000001s"},
		{"2562047h", INT64_C(2562047) * 3600 * NANOS_PER_SECOND, "2562047h"},
	};
	char text[CLOCK_TEXT_MAX];
	int64_t ns;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		check_ok(clock_parse_duration(&ns, cases[i].text));
		assert_int_equal(ns, cases[i].ns);
		clock_format_duration(text, ns);
		assert_string_equal(text, cases[i].written);
		check_ok(clock_parse_duration(&ns, text));
		assert_int_equal(ns, cases[i].ns);
	}
	clock_format_duration(text, INT64_MIN); /* must fit and not overflow */
	assert_string_equal(text, "-2562047h47m16.854775807s");
}

static void refuses_what_is_no_duration(void **state)
{
	static const char *const cases[] = {"", "-", "5", "s", "1x", "1m30", ".s", "1..5s", " 1s", "1s ", "2562048h",
		"99999999999999999999s", "2562047h9999999999s"};
	int64_t ns = 7;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		autofree char *message = NULL;
		assert_true(asprintf(&message, "\"%s\" is not a duration such as 1m30s or 100ms", cases[i]) > 0);
		check_invalid(clock_parse_duration(&ns, cases[i]), message);
	}
	assert_int_equal(ns, 7);
}

/* The expected texts are those of docker/go-units' own tests. */
static void rounds_ages_as_docker(void **state)
{
	static const int64_t minute = 60, hour = 3600, day = 86400, week = 7 * 86400, month = 30 * 86400,
			     year = 365 * 86400;
	const struct {
		int64_t seconds;
		const char *text;
	} cases[] = {
		{0, "Less than a second"},
		{1, "1 second"},
		{45, "45 seconds"},
		{minute, "About a minute"},
		{minute + 40, "About a minute"},
		{2 * minute, "2 minutes"},
		{3 * minute + 40, "3 minutes"},
		{hour, "About an hour"},
		{hour + 29 * minute, "About an hour"},
		{hour + 31 * minute, "2 hours"},
		{hour + 59 * minute, "2 hours"},
		{3 * hour, "3 hours"},
		{3 * hour + 29 * minute, "3 hours"},
		{3 * hour + 31 * minute, "4 hours"},
		{24 * hour, "24 hours"},
		{36 * hour, "36 hours"},
		{2 * day, "2 days"},
		{7 * day, "7 days"},
		{13 * day + 5 * hour, "13 days"},
		{2 * week, "2 weeks"},
		{2 * week + 4 * day, "2 weeks"},
		{3 * week, "3 weeks"},
		{4 * week + 3 * day, "4 weeks"},
		{month, "4 weeks"},
		{month + 2 * week, "6 weeks"},
		{2 * month, "2 months"},
		{2 * month + 2 * week, "2 months"},
		{23 * month, "23 months"},
		{year, "12 months"},
		{2 * year, "2 years"},
		{3 * year + 2 * month, "3 years"},
	};
	char text[CLOCK_TEXT_MAX];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		clock_format_age(text, cases[i].seconds * NANOS_PER_SECOND);
		assert_string_equal(text, cases[i].text);
	}
	clock_format_age(text, -5 * NANOS_PER_SECOND); /* the clock jumped back */
	assert_string_equal(text, "Less than a second");
}

static void knows_the_boot(void **state)
{
	char first[37], second[37];

	(void)state;
	check_ok(clock_boot_id(first));
	check_ok(clock_boot_id(second));
	assert_int_equal(strlen(first), 36);
	assert_string_equal(first, second);
}

static void monotonic_time_moves_on(void **state)
{
	int64_t before = clock_monotonic_ns();

	(void)state;
	usleep(2000);
	assert_true(clock_monotonic_ns() - before >= 2 * NANOS_PER_MILLI);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(formats_times),
		cmocka_unit_test(agrees_with_the_c_library),
		cmocka_unit_test(parses_times),
		cmocka_unit_test(refuses_what_is_no_time),
		cmocka_unit_test(parses_points),
		cmocka_unit_test(refuses_what_is_no_point),
		cmocka_unit_test(reads_and_writes_durations),
		cmocka_unit_test(refuses_what_is_no_duration),
		cmocka_unit_test(rounds_ages_as_docker),
		cmocka_unit_test(knows_the_boot),
		cmocka_unit_test(monotonic_time_moves_on),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

// SPDX-License-Identifier: Apache-2.0
#include "shim/logline.h"

#include "base/clock.h"
#include "check.h"

#define SECOND INT64_C(1795364700) /* 2026-11-22T16:25:00Z */

static void check_line(const char *data, size_t length, bool is_whole, int64_t nanos, const char *expected)
{
	char line[LOG_LINE_MAX];
	LogEntry entry = {LOG_STDERR, SECOND * NANOS_PER_SECOND + nanos, data, length, is_whole};
	size_t size = logline_write(line, &entry);

	line[size] = '\0';
	assert_string_equal(line, expected);
}

static void test_written(void **state)
{
	(void)state;
	check_line("text", 4, true, 123400000,
		"{\"log\":\"text\\n\",\"stream\":\"stderr\",\"time\":\"2026-11-22T16:25:00.1234Z\"}\n");
	check_line("", 0, true, 0, "{\"log\":\"\\n\",\"stream\":\"stderr\",\"time\":\"2026-11-22T16:25:00Z\"}\n");
	check_line("piece", 5, false, 1,
		"{\"log\":\"piece\",\"stream\":\"stderr\",\"time\":\"2026-11-22T16:25:00.000000001Z\"}\n");
	check_line("\"\\<>&\t\r\x01\x7f", 9, false, 999999999,
		"{\"log\":\"\\\"\\\\\\u003c\\u003e\\u0026\\u0009\\r\\u0001\x7f\",\"stream\":\"stderr\","
		"\"time\":\"2026-11-22T16:25:00.999999999Z\"}\n");
	check_line("\0", 1, false, 500000000,
		"{\"log\":\"\\u0000\",\"stream\":\"stderr\",\"time\":\"2026-11-22T16:25:00.5Z\"}\n");
}

/* Go's rules: every byte that is no part of a character is one U+FFFD. */
static void test_utf8(void **state)
{
	static const struct {
		const char *data, *escaped;
	} cases[] = {
		{"\xc3\xa9\xe6\xbc\xa2\xf0\x9f\x98\x80", "\xc3\xa9\xe6\xbc\xa2\xf0\x9f\x98\x80"},
		{"\xe2\x80\xa7\xe2\x80\xa8\xe2\x80\xa9\xe2\x80\xaa", "\xe2\x80\xa7\\u2028\\u2029\xe2\x80\xaa"},
		{"\x80", "\\ufffd"},
		{"\xff\xfe", "\\ufffd\\ufffd"},
		{"\xc0\x80", "\\ufffd\\ufffd"},
		{"\xc1\xbf", "\\ufffd\\ufffd"},
		{"\xe0\x9f\xbf", "\\ufffd\\ufffd\\ufffd"},
		{"\xed\xa0\x80", "\\ufffd\\ufffd\\ufffd"},
		{"\xf0\x8f\xbf\xbf", "\\ufffd\\ufffd\\ufffd\\ufffd"},
		{"\xf4\x90\x80\x80", "\\ufffd\\ufffd\\ufffd\\ufffd"},
		{"\xf4\x8f\xbf\xbf", "\xf4\x8f\xbf\xbf"},
		{"\xe6\xbc", "\\ufffd\\ufffd"},
		{"\xe6\xbcx", "\\ufffd\\ufffdx"},
		{"\xf0\x9f\x98"
		 "a",
			"\\ufffd\\ufffd\\ufffd"
			"a"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		char expected[256];
		snprintf(expected, sizeof(expected),
			"{\"log\":\"%s\",\"stream\":\"stderr\",\"time\":\"2026-11-22T16:25:00Z\"}\n", cases[i].escaped);
		check_line(cases[i].data, strlen(cases[i].data), false, 0, expected);
	}
}

static void test_largest(void **state)
{
	char *data = calloc(1, LOG_ENTRY_MAX), *line = malloc(LOG_LINE_MAX);
	LogEntry entry = {LOG_STDOUT, SECOND * NANOS_PER_SECOND + 123456789, data, LOG_ENTRY_MAX, true}, again;
	char time[LOG_TIME_MAX];

	(void)state;
	size_t size = logline_write(line, &entry);
	assert_true(size <= LOG_LINE_MAX);
	assert_true(size > LOG_LINE_MAX - 64);
	assert_true(logline_read(&again, time, line, size));
	assert_int_equal(again.length, LOG_ENTRY_MAX + 1);
	free(data);
	free(line);
}

static void test_cut(void **state)
{
	static const struct {
		const char *data;
		size_t cut;
	} cases[] = {
		{"", 0},
		{"abc", 3},
		{"abc\xc3\xa9", 5},
		{"abc\xc3", 3},
		{"abc\xe6\xbc", 3},
		{"abc\xe6\xbc\xa2", 6},
		{"abc\xf0\x9f\x98", 3},
		{"abc\xf0\x9f", 3},
		{"abc\xf0", 3},
		{"abc\x80\x80\x80", 6},
		{"abc\xff", 4},
		{"abc\xed\xa0", 5},
		{"\xc3", 0},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		assert_int_equal(logline_cut(cases[i].data, strlen(cases[i].data)), cases[i].cut);
}

static bool read_text(LogEntry *entry, char time[LOG_TIME_MAX], const char *line, char *copy)
{
	strcpy(copy, line);
	return logline_read(entry, time, copy, strlen(copy));
}

static void test_read(void **state)
{
	char copy[256], time[LOG_TIME_MAX];
	LogEntry entry;

	(void)state;
	assert_true(read_text(&entry, time,
		"{\"log\":\"a\\u003cb\\n\",\"stream\":\"stdout\",\"time\":\"2026-11-22T16:25:00.1234Z\"}\n", copy));
	assert_int_equal(entry.stream, LOG_STDOUT);
	assert_int_equal(entry.wall_ns, SECOND * NANOS_PER_SECOND + 123400000);
	assert_string_equal(time, "2026-11-22T16:25:00.123400000Z");
	assert_int_equal(entry.length, 4);
	assert_memory_equal(entry.data, "a<b\n", 4);
	assert_true(entry.is_whole);
	assert_true(read_text(
		&entry, time, "{\"time\":\"1970-01-01T00:00:00Z\",\"stream\":\"stderr\",\"log\":\"x\"}", copy));
	assert_int_equal(entry.wall_ns, 0);
	assert_false(entry.is_whole);
	assert_true(read_text(&entry, time,
		"{\"log\":\"\",\"stream\":\"stderr\",\"time\":\"2024-02-29T23:59:59.999999999Z\"}", copy));
	assert_int_equal(entry.wall_ns, INT64_C(1709251199999999999));
	assert_string_equal(time, "2024-02-29T23:59:59.999999999Z");
}

static void test_not_read(void **state)
{
	static const char *const lines[] = {
		"",
		"text",
		"{}",
		"{\"log\":\"x\"}",
		"{\"log\":\"x\",\"stream\":\"stdout\"}",
		"{\"log\":\"x\",\"stream\":\"stdin\",\"time\":\"2026-11-22T16:25:00Z\"}",
		"{\"log\":\"x\",\"stream\":\"stdout\",\"time\":\"\"}",
		"{\"log\":\"x\",\"stream\":\"stdout\",\"time\":\"2026-11-22T16:25:00\"}",
		"{\"log\":\"x\",\"stream\":\"stdout\",\"time\":\"2026-11-22 16:25:00Z\"}",
		"{\"log\":\"x\",\"stream\":\"stdout\",\"time\":\"2026-13-22T16:25:00Z\"}",
		"{\"log\":\"x\",\"stream\":\"stdout\",\"time\":\"2026-11-22T24:25:00Z\"}",
		"{\"log\":\"x\",\"stream\":\"stdout\",\"time\":\"2026-11-22T16:25:00.1234567890Z\"}",
		"{\"log\":\"x\",\"stream\":\"stdout\",\"time\":\"2026-11-22T16:25:00.12x4Z\"}",
		"{\"log\":\"x\",\"stream\":\"stdout\",\"time\":\"9999-11-22T16:25:00Z\"}",
		"{\"log\":\"x\",\"stream\":\"stdout\",\"time\":\"2026-11-22T16:25:00Z\"",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(lines) / sizeof(*lines); i++) {
		char copy[256], time[LOG_TIME_MAX];
		LogEntry entry;
		if (read_text(&entry, time, lines[i], copy))
			fail_msg("accepted: %s", lines[i]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_written),
		cmocka_unit_test(test_utf8),
		cmocka_unit_test(test_largest),
		cmocka_unit_test(test_cut),
		cmocka_unit_test(test_read),
		cmocka_unit_test(test_not_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

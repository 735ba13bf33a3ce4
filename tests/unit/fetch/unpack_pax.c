// SPDX-License-Identifier: Apache-2.0
#include "check.h"
#include "fetch/unpack/pax.h"
#include "fetch/unpack/tar_header.h"

typedef struct Seen {
	char text[256];
} Seen;

static Error *note(void *arg, const char *key, const char *value, size_t length)
{
	Seen *seen = arg;
	size_t at = strlen(seen->text);

	snprintf(seen->text + at, sizeof seen->text - at, "[%s|%s|%zu]", key, value, length);
	return NULL;
}

static void check_records(const char *text, size_t length, const char *expected)
{
	autofree char *copy = memcpy(malloc(length + 1), text, length);
	Seen seen = {0};

	copy[length] = '\0';
	if (!expected) {
		check_invalid(pax_each(copy, length, note, &seen), "extended header is malformed");
		return;
	}
	check_ok(pax_each(copy, length, note, &seen));
	assert_string_equal(seen.text, expected);
}

#define records(text, expected) check_records(text, sizeof(text) - 1, expected)

static void test_records(void **state)
{
	(void)state;
	records("", "");
	records("9 path=x\n", "[path|x|1]");
	records("9 path=x\n6 a=b\n", "[path|x|1][a|b|1]");
	records("5 a=\n", "[a||0]");
	records("9 a=b=c=\n", "[a|b=c=|4]");
	records("9 a=\n\n\0x\n", "[a|\n\n|4]");
}

static void test_malformed(void **state)
{
	(void)state;
	records("x", NULL);
	records("9", NULL);
	records(" 9 path=x\n", NULL);
	records("11 path=x\n", NULL);
	records("8 path=x\n", NULL);
	records("9 path=x ", NULL);
	records("9 pathxx\n", NULL);
	records("5 =a\n", NULL);
	records("0 a=b\n", NULL);
	records("3 \n", NULL);
	records("-9 path=x\n", NULL);
	records("8 p\0th=\n", NULL);
	records("999999999 path=x\n", NULL);
}

static void test_times(void **state)
{
	static const struct {
		const char *text;
		long long seconds;
		long ns;
	} cases[] = {
		{"0", 0, 0},
		{"1234567890.123456789", 1234567890, 123456789},
		{"1.5", 1, 500000000},
		{"1.", 1, 0},
		{"1.0000000019", 1, 1},
		{"-1", -1, 0},
		{"-1.25", -2, 750000000},
		{"-0.000000001", -1, 999999999},
		{"999999999999999999", 999999999999999999, 0},
	};
	struct timespec time;

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		check_ok(pax_time(&time, cases[i].text));
		assert_int_equal(time.tv_sec, cases[i].seconds);
		assert_int_equal(time.tv_nsec, cases[i].ns);
	}
	check_invalid(pax_time(&time, ""), "time \"\" is not a number");
	check_invalid(pax_time(&time, "-"), "time \"-\" is not a number");
	check_invalid(pax_time(&time, ".5"), "time \".5\" is not a number");
	check_invalid(pax_time(&time, "1x"), "time \"1x\" is not a number");
	check_invalid(pax_time(&time, "1.5e3"), "time \"1.5e3\" is not a number");
	check_invalid(pax_time(&time, "1000000000000000000"), "time \"1000000000000000000\" is not a number");
}

#define number_is(field, expected)                                                                                     \
	do {                                                                                                           \
		int64_t number_ = -77;                                                                                 \
		check_ok(tar_number(&number_, field, sizeof(field) - 1, "n"));                                         \
		assert_true(number_ == (expected));                                                                    \
	} while (0)

static void test_numbers(void **state)
{
	int64_t number;

	(void)state;
	number_is("0000644\0", 0644);
	number_is("   644 \0", 0644);
	number_is("        ", 0);
	number_is("\0\0\0\0\0\0\0\0", 0);
	number_is("77777777", 077777777);
	number_is("12\0junk!", 012);
	number_is("\x80\0\0\0\0\0\1\0", 256);
	number_is("\xff\xff\xff\xff\xff\xff\xff\xff", -1);
	number_is("\xff\xff\xff\xff\xff\xff\xff\0", -256);
	number_is("\x80\0\0\0\x7f\xff\xff\xff\xff\xff\xff\xff", INT64_MAX);
	number_is("\xff\xff\xff\xff\x80\0\0\0\0\0\0\0", INT64_MIN);
	check_invalid(tar_number(&number, "\x80\0\0\0\x80\0\0\0\0\0\0\0", 12, "n"), "n is out of range");
	check_invalid(tar_number(&number, "\xff\xff\xff\xfe\x80\0\0\0\0\0\0\0", 12, "n"), "n is out of range");
	check_invalid(tar_number(&number, "8", 1, "n"), "n is not a number");
	check_invalid(tar_number(&number, "-1", 2, "n"), "n is not a number");
	check_invalid(tar_number(&number, "7777777777777777777777777", 25, "n"), "n is not a number");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_records),
		cmocka_unit_test(test_malformed),
		cmocka_unit_test(test_times),
		cmocka_unit_test(test_numbers),
	};

	return cmocka_run_group_tests_name("unpack-pax", tests, NULL, NULL);
}

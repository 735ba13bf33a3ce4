// SPDX-License-Identifier: Apache-2.0
#include "shim/flat.h"

#include "check.h"

enum { FIELDS = 2 };

typedef struct Case {
	const char *line, *a, *b; /* what fields "a" and "b" are; NULL: absent */
} Case;

static bool read_fields(FlatField fields[FIELDS], const char *line, char *copy)
{
	size_t length = strlen(line);

	fields[0].name = "a";
	fields[1].name = "b";
	memcpy(copy, line, length);
	return flat_read(fields, FIELDS, copy, length);
}

static void check_field(const FlatField *field, const char *expected)
{
	if (!expected) {
		assert_null(field->text);
		return;
	}
	assert_non_null(field->text);
	assert_int_equal(field->length, strlen(expected));
	assert_memory_equal(field->text, expected, field->length);
}

static void test_accepted(void **state)
{
	static const Case cases[] = {
		{"{}", NULL, NULL},
		{" { } ", NULL, NULL},
		{"{\"a\":\"x\",\"b\":\"y\"}\n", "x", "y"},
		{"{\"b\" : \"\" , \"a\" : \"x\"}", "x", ""},
		{"{\"c\":\"x\",\"n\":-1.5e3,\"t\":true,\"f\":false,\"z\":null,\"b\":\"y\"}", NULL, "y"},
		{"{\"a\":\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"}", "\"\\/\b\f\n\r\t", NULL},
		{"{\"a\":\"\\u0041\\u00e9\\u6f22\"}", "A\xc3\xa9\xe6\xbc\xa2", NULL},
		{"{\"a\":\"\\ud83d\\ude00!\"}", "\xf0\x9f\x98\x80!", NULL},
		{"{\"a\":\"\\ud83dx\"}", "\xef\xbf\xbdx", NULL},
		{"{\"a\":\"\\ude00\"}", "\xef\xbf\xbd", NULL},
		{"{\"a\":\"\\ud83d\\u0041\"}",
			"\xef\xbf\xbd"
			"A",
			NULL},
		{"{\"\\u0061\":\"x\"}", "x", NULL},
		{"{\"a\":\"first\",\"a\":\"last\"}", "last", NULL},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		char copy[256];
		FlatField fields[FIELDS] = {0};
		if (!read_fields(fields, cases[i].line, copy))
			fail_msg("refused: %s", cases[i].line);
		check_field(&fields[0], cases[i].a);
		check_field(&fields[1], cases[i].b);
	}
}

static void test_refused(void **state)
{
	static const char *const lines[] = {"", "x", "{", "{\"a\"", "{\"a\":", "{\"a\":\"x", "{\"a\":\"x\"",
		"{\"a\":\"x\",}", "{\"a\":\"x\"}x", "{\"a\":\"x\"}{}", "{\"a\":{}}", "{\"a\":[]}", "{a:\"x\"}",
		"{\"a\":\"\\x\"}", "{\"a\":\"\\u12\"}", "{\"a\":\"\\u12g4\"}", "{\"a\":\"\\ud83d\\uzzzz\"}",
		"{\"a\":\"\\", "{\"a\":,}", "[\"a\"]", "{\"a\" \"x\"}"};

	(void)state;
	for (size_t i = 0; i < sizeof(lines) / sizeof(*lines); i++) {
		char copy[256];
		FlatField fields[FIELDS] = {0};
		if (read_fields(fields, lines[i], copy))
			fail_msg("accepted: %s", lines[i]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_accepted),
		cmocka_unit_test(test_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

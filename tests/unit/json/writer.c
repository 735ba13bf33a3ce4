// SPDX-License-Identifier: Apache-2.0
#include "json/writer.h"

#include <math.h>

#include "base/memory.h"

#include "check.h"

static void nests_and_separates(void **state)
{
	autoclear(Buffer) out = {0};
	autoclear(StringList) list = {0};
	autoclear(StringMap) map = {0};
	Writer writer;

	(void)state;
	writer_init(&writer, &out);
	write_object(&writer, NULL);
	write_strings(&writer, "none", &list);
	write_map(&writer, "nothing", &map);
	strings_add(&list, "a");
	strings_add(&list, "b\"");
	map_set(&map, "k\n", "v");
	map_set(&map, "l", "w");
	write_strings(&writer, "list", &list);
	write_map(&writer, "map", &map);
	write_array(&writer, "array");
	write_object(&writer, NULL);
	write_object_end(&writer);
	write_array(&writer, NULL);
	write_array_end(&writer);
	write_int(&writer, NULL, -1);
	write_array_end(&writer);
	write_bool(&writer, "yes", true);
	write_null(&writer, "null");
	write_raw(&writer, "raw", "[1]");
	write_value(&writer, "value", NULL);
	write_object_end(&writer);
	assert_string_equal(buffer_text(&out),
		"{\"none\":[],\"nothing\":{},\"list\":[\"a\",\"b\\\"\"],\"map\":{\"k\\n\":\"v\",\"l\":\"w\"},"
		"\"array\":[{},[],-1],\"yes\":true,\"null\":null,\"raw\":[1],\"value\":null}");
}

static void writes_numbers(void **state)
{
	autoclear(Buffer) out = {0};
	Writer writer;

	(void)state;
	writer_init(&writer, &out);
	write_array(&writer, NULL);
	write_int(&writer, NULL, INT64_MIN);
	write_int(&writer, NULL, INT64_MAX);
	write_uint(&writer, NULL, UINT64_MAX);
	write_uint(&writer, NULL, 0);
	write_double(&writer, NULL, 0.1);
	write_double(&writer, NULL, 1e21);
	write_double(&writer, NULL, 3);
	write_double(&writer, NULL, 1.0 / 3);
	write_double(&writer, NULL, NAN);
	write_double(&writer, NULL, -INFINITY);
	write_array_end(&writer);
	assert_string_equal(buffer_text(&out), "[-9223372036854775808,9223372036854775807,18446744073709551615,0,"
					       "0.1,1e+21,3.0,0.3333333333333333,null,null]");
}

/* What is formatted on the stack and what is too long for that. */
static void formats_of_every_length(void **state)
{
	(void)state;
	for (int length = 250; length < 260; length++) {
		autofree char *wanted = string_printf("\"%0*d\"", length, 7);
		autoclear(Buffer) out = {0};
		Writer writer;
		writer_init(&writer, &out);
		write_stringf(&writer, NULL, "%0*d", length, 7);
		assert_string_equal(buffer_text(&out), wanted);
	}
}

static void writes_strings(void **state)
{
	autoclear(Buffer) out = {0};
	Writer writer;

	(void)state;
	writer_init(&writer, &out);
	write_array(&writer, NULL);
	write_string(&writer, NULL, NULL);
	write_string_or_null(&writer, NULL, NULL);
	write_string_or_null(&writer, NULL, "x");
	write_string_n(&writer, NULL, "a\0b", 3);
	write_stringf(&writer, NULL, "%d/%s", 80, "tcp");
	write_array_end(&writer);
	assert_string_equal(buffer_text(&out), "[\"\",null,\"x\",\"a\\u0000b\",\"80/tcp\"]");
}

static void escapes_and_repairs(void **state)
{
	static const struct {
		const char *text;
		const char *escaped;
	} cases[] = {
		{"plain / text", "plain / text"},
		{"\"\\\b\f\n\r\t\x01\x1f\x7f", "\\\"\\\\\\b\\f\\n\\r\\t\\u0001\\u001f\x7f"},
		{"\u00e9\u20ac\U0001f600", "\u00e9\u20ac\U0001f600"},
		{"\xff", "\ufffd"},
		{"a\xc3", "a\ufffd"},
		{"\xc3(", "\ufffd("},
		{"\xe2\x82x", "\ufffd\ufffdx"},
		{"\xed\xa0\x80", "\ufffd\ufffd\ufffd"}, /* a surrogate */
		{"\xc0\xaf", "\ufffd\ufffd"},           /* an overlong slash */
		{"\xf4\x90\x80\x80", "\ufffd\ufffd\ufffd\ufffd"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		autoclear(Buffer) out = {0};
		json_escape(&out, cases[i].text, strlen(cases[i].text));
		assert_string_equal(buffer_text(&out), cases[i].escaped);
	}
}

/* What is looked at many bytes at a time is found wherever it stands, in text of any length. */
static void finds_each_byte_at_each_place(void **state)
{
	static const struct {
		char byte;
		const char *escaped;
	} cases[] = {{'"', "\\\""}, {'\\', "\\\\"}, {'\n', "\\n"}, {'\x1f', "\\u001f"}, {'\xff', "\ufffd"}, {'~', "~"}};
	char text[28];

	(void)state;
	for (int length = 1; length < (int)sizeof(text); length++) {
		for (int i = 0; i < length * (int)COUNT(cases); i++) {
			int place = i % length;
			autoclear(Buffer) out = {0};
			autofree char *wanted = string_printf("%.*s%s%.*s", place, "abcdefghijklmnopqrstuvwxyz01",
				cases[i / length].escaped, length - place - 1,
				"abcdefghijklmnopqrstuvwxyz01" + place + 1);
			memcpy(text, "abcdefghijklmnopqrstuvwxyz01", (size_t)length);
			text[place] = cases[i / length].byte;
			json_escape(&out, text, (size_t)length);
			assert_string_equal(buffer_text(&out), wanted);
		}
	}
}

/* Any byte after any other gives text that the strict parser takes. */
static void every_pair_of_bytes_is_valid_json(void **state)
{
	(void)state;
	for (int pair = 0; pair < 65536; pair++) {
		autoclear(Buffer) out = {0};
		autoptr(Value) value = NULL;
		Writer writer;
		char text[] = {(char)(pair >> 8), (char)pair};
		if (!text[0] || !text[1])
			continue; /* the parser refuses NUL */
		writer_init(&writer, &out);
		write_string_n(&writer, NULL, text, 2);
		check_ok(value_parse(&value, out.data, out.length));
		if (string_is_utf8(text, 2))
			assert_memory_equal(value_string(value), text, 2);
	}
}

static void marks_an_answer_that_is_too_large(void **state)
{
	autoclear(Buffer) out = {.limit = 20};
	Writer writer;

	(void)state;
	writer_init(&writer, &out);
	write_string(&writer, NULL, "0123456789012345678901234567890");
	assert_true(buffer_overflown(&out));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nests_and_separates),
		cmocka_unit_test(writes_numbers),
		cmocka_unit_test(writes_strings),
		cmocka_unit_test(formats_of_every_length),
		cmocka_unit_test(escapes_and_repairs),
		cmocka_unit_test(finds_each_byte_at_each_place),
		cmocka_unit_test(every_pair_of_bytes_is_valid_json),
		cmocka_unit_test(marks_an_answer_that_is_too_large),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

// SPDX-License-Identifier: Apache-2.0
#include "json/value.h"

#include <math.h>

#include "check.h"

static Value *parsed(const char *text)
{
	Value *value = NULL;

	check_ok(value_parse(&value, text, strlen(text)));
	return value;
}

static char *written(const Value *value)
{
	Buffer text = {0};

	value_write(value, &text);
	return buffer_steal(&text);
}

static void check_refused(const char *text, size_t length, const char *message)
{
	Value *value = NULL;

	check_invalid(value_parse(&value, text, length), message);
	assert_null(value);
}

#define check_refused_text(text, message) check_refused(text, sizeof(text) - 1, message)

static void keeps_values_and_order(void **state)
{
	static const char *const texts[] = {"{\"z\":1,\"a\":[true,false,null],\"m\":{\"k\":\"v\"}}", "[]", "{}",
		"\"x\"", "-5", "9223372036854775807", "-9223372036854775808", "1.5", "0.1", "1e+300", "-0.0", "100.0",
		"\"\\\"\\\\\\n\\u0001\u00e9\"", "1.7976931348623157e+308", "4.94065645841247e-324",
		"0.30000000000000004"};

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
		autoptr(Value) value = parsed(texts[i]);
		check_text(written(value), texts[i]);
	}
}

static void is_strict(void **state)
{
	(void)state;
	check_refused_text("{\"a\":1,}", "invalid JSON: line 1, column 8: string or '}' expected near '}'");
	check_refused_text("{\n  \"a\" 1}", "invalid JSON: line 2, column 7: ':' expected near '1'");
	check_refused_text("{\"a\":1,\"a\":2}", "invalid JSON: line 1, column 10: duplicate object key near '\"a\"'");
	check_refused_text("{} x", "invalid JSON: line 1, column 4: end of file expected near 'x'");
	check_refused_text("", "invalid JSON: line 1, column 0: unexpected token near end of file");
	check_refused_text("[\"\xff\"]", "invalid JSON: line 1, column 2: unable to decode byte 0xff near '\"'");
	check_refused_text("[1", "invalid JSON: line 1, column 2: ']' expected near end of file");
	check_refused_text(
		"[9223372036854775808]", "invalid JSON: line 1, column 20: too big integer near '9223372036854775808'");
	check_refused_text("[01]", "invalid JSON: line 1, column 2: invalid token near '0'");
	check_refused_text("['a']", "invalid JSON: line 1, column 2: invalid token near '''");
	check_refused("[1]\0", 4, "invalid JSON: text holds a NUL character");
}

static void bounds_the_depth(void **state)
{
	char text[2 * VALUE_DEPTH_MAX + 3];
	Value *value = NULL;

	(void)state;
	memset(text, '[', VALUE_DEPTH_MAX);
	memset(text + VALUE_DEPTH_MAX, ']', VALUE_DEPTH_MAX);
	check_ok(value_parse(&value, text, 2 * VALUE_DEPTH_MAX));
	value_free(value);
	value = NULL;
	memset(text, '[', VALUE_DEPTH_MAX + 1);
	text[0] = '\n';
	text[1] = '[';
	memset(text + VALUE_DEPTH_MAX + 1, '[', 2);
	check_invalid(value_parse(&value, text, VALUE_DEPTH_MAX + 3),
		"invalid JSON: line 2, column 33: nested deeper than 32 levels");
	value = parsed("[\"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[\\\"[[[\",[],[],[]]"); /* in text they nest nothing */
	value_free(value);
}

static void refuses_nul_by_name(void **state)
{
	(void)state;
	check_refused_text("{\"a\":{\"b\":[1,\"x\\u0000y\"]}}", "field \"a.b[1]\" holds a NUL character");
	check_refused_text("\"\\u0000\"", "text holds a NUL character");
	check_refused_text("{\"a\\u0000\":1}",
		"invalid JSON: line 1, column 10: NUL byte in object key not supported near '\"a\\u0000\"'");
	value_free(parsed("\"\\\\u0000\"")); /* a backslash and five letters */
}

static void reads(void **state)
{
	autoptr(Value) value = parsed(
		"{\"s\":\"x\",\"i\":-7,\"r\":2.5,\"b\":true,\"n\":null,\"a\":[1,2],\"o\":{\"p\":{\"q\":\"deep\"}}}");

	(void)state;
	assert_string_equal(value_string(value_get(value, "s")), "x");
	assert_null(value_string(value_get(value, "i")));
	assert_int_equal(value_int(value_get(value, "i"), 0), -7);
	assert_int_equal(value_int(value_get(value, "s"), 5), 5);
	assert_true(value_double(value_get(value, "r"), 0) == 2.5 && value_double(value_get(value, "i"), 0) == -7);
	assert_true(value_bool(value_get(value, "b"), false) && value_bool(value_get(value, "none"), true));
	assert_true(value_is_null(value_get(value, "n")) && value_is_null(NULL) && !value_is_null(value));
	assert_int_equal(value_count(value_get(value, "a")), 2);
	assert_int_equal(value_count(value), 7);
	assert_int_equal(value_count(value_get(value, "s")) + value_count(NULL), 0);
	assert_int_equal(value_int(value_at(value_get(value, "a"), 1), 0), 2);
	assert_null(value_at(value_get(value, "a"), 2));
	assert_null(value_at(value, 0));
	assert_string_equal(value_string(value_path(value, "o.p.q")), "deep");
	assert_null(value_path(value, "o.x.q"));
	assert_null(value_path(value, "s.p"));
	assert_null(value_get(NULL, "x"));
	assert_string_equal(value_kind_name(value_get(value, "r")), "number");
	assert_string_equal(value_kind_name(NULL), "null");
}

static void visits_members_in_order(void **state)
{
	autoptr(Value) value = parsed("{\"b\":1,\"a\":2,\"c\":3}"), *empty = parsed("{}"), *array = parsed("[1]");
	size_t cursor = 0;
	const char *key;
	Value *member;
	char keys[8] = "";

	(void)state;
	while (value_each(value, &cursor, &key, &member))
		strcat(keys, key);
	assert_string_equal(keys, "bac");
	assert_false(value_each(value, &cursor, &key, &member));
	cursor = 0;
	assert_false(value_each(empty, &cursor, &key, &member));
	assert_false(value_each(array, &cursor, &key, &member));
	assert_false(value_each(NULL, &cursor, &key, &member));
}

static void builds(void **state)
{
	autoptr(Value) object = value_object(), *copy = NULL;
	Value *array = value_array();

	(void)state;
	value_append(array, value_new_int(INT64_MIN));
	value_append(array, value_new_bool(true));
	value_set(object, "a", array);
	value_set(object, "s", value_new_string("a\xff\u00e9\xe2\x82"));
	check_text(written(object), "{\"a\":[-9223372036854775808,true],\"s\":\"a\ufffd\u00e9\ufffd\ufffd\"}");
	copy = value_copy(object);
	assert_true(value_equal(copy, object));
	value_append(array, value_new_bool(false));
	assert_false(value_equal(copy, object));
	assert_false(value_equal(object, NULL));
	assert_true(value_equal(NULL, NULL));
	assert_null(value_free(NULL));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keeps_values_and_order),
		cmocka_unit_test(is_strict),
		cmocka_unit_test(bounds_the_depth),
		cmocka_unit_test(refuses_nul_by_name),
		cmocka_unit_test(reads),
		cmocka_unit_test(visits_members_in_order),
		cmocka_unit_test(builds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

// SPDX-License-Identifier: Apache-2.0
#include "base/strings.h"
#include "check.h"
#include "json/value.h"

static void check_yaml(const char *yaml, const char *json)
{
	autoptr(Value) value = NULL;
	autoclear(Buffer) text = {0};

	check_ok(value_parse_yaml(&value, yaml, strlen(yaml)));
	value_write(value, &text);
	assert_string_equal(buffer_text(&text), json);
}

static void check_refused(const char *yaml, const char *message)
{
	Value *value = NULL;

	check_invalid(value_parse_yaml(&value, yaml, strlen(yaml)), message);
	assert_null(value);
}

static void reads_scalars(void **state)
{
	(void)state;
	check_yaml("[~, null, Null, NULL, '', \"~\"]", "[null,null,null,null,\"\",\"~\"]");
	check_yaml("- true\n- True\n- FALSE\n- yes\n- no\n- on\n- 'true'\n",
		"[true,true,false,\"yes\",\"no\",\"on\",\"true\"]");
	check_yaml("[12, -3, +4, 0, 0o17, 0x1F, '12']", "[12,-3,4,0,15,31,\"12\"]");
	check_yaml("[0644, 00, 1_000, 0b1, 0x, 1:30, 2001-12-14, 1.2.3, '-', +]",
		"[\"0644\",\"00\",\"1_000\",\"0b1\",\"0x\",\"1:30\",\"2001-12-14\",\"1.2.3\",\"-\",\"+\"]");
	check_yaml("[1.5, .5, 1., -2.5e-3, 1e3, ., e3, 1e]", "[1.5,0.5,1.0,-0.0025,1000.0,\".\",\"e3\",\"1e\"]");
	check_yaml("[9223372036854775807, -9223372036854775808]", "[9223372036854775807,-9223372036854775808]");
	check_yaml("[.inf, .nan]", "[\".inf\",\".nan\"]"); /* numbers that JSON has not */
	check_yaml("a: !!str 12\nb: ! 13\n", "{\"a\":\"12\",\"b\":\"13\"}");
	check_yaml("12", "12");
	check_yaml("", "null");
	check_yaml("# nothing here\n", "null");
}

static void reads_a_manifest(void **state)
{
	(void)state;
	check_yaml("name: web\n"
		   "ports:\n"
		   "  - 8080:80\n"
		   "  - {host: 81, container: 80}\n"
		   "env: [A=1, \"B=\\u00e9\\n\"]\n"
		   "script: |\n"
		   "  one\n"
		   "  two\n"
		   "labels:\n"
		   "  a.b/c: 'it''s'\n"
		   "  8080: number\n"
		   "  empty:\n",
		"{\"name\":\"web\",\"ports\":[\"8080:80\",{\"host\":81,\"container\":80}],"
		"\"env\":[\"A=1\",\"B=\u00e9\\n\"],\"script\":\"one\\ntwo\\n\","
		"\"labels\":{\"a.b/c\":\"it's\",\"8080\":\"number\",\"empty\":null}}");
}

static void reads_json(void **state)
{
	autofree char *long_key = malloc(3001);
	autofree char *json = NULL;

	(void)state;
	check_yaml("\n\t{\n\t\"a\":\t[\"\\ud83d\\ude00\", \"\\/\"]}", "{\"a\":[\"\U0001f600\",\"/\"]}");
	memset(long_key, 'k', 3000); /* YAML's simple keys end at 1024 */
	long_key[3000] = '\0';
	json = string_printf("{\"%s\":1}", long_key);
	check_yaml(json, json);
	check_yaml("{a: 1, b: [x]}", "{\"a\":1,\"b\":[\"x\"]}");
	check_yaml("[1,\n# comment\n2]", "[1,2]");
}

static void says_where_it_is_wrong(void **state)
{
	(void)state;
	check_refused("a: 1\nb: [2\n", "invalid YAML: line 3, column 1: did not find expected ',' or ']'");
	check_refused("a:\n\tb: 1\n", "invalid YAML: line 2, column 1: found character that cannot start any token");
	check_refused("a: 1\nb: 2\na: 3\n", "invalid YAML: line 3, column 1: duplicate key \"a\"");
	check_refused("{\"a\":1,\"a\":2}", "invalid YAML: line 1, column 8: duplicate key \"a\"");
	check_refused("a: 1\n---\nb: 2\n", "invalid YAML: line 2, column 1: more than one document");
	check_refused("a: 99999999999999999999\n", "invalid YAML: line 1, column 4: number is too large");
	check_refused("a: 1e999\n", "invalid YAML: line 1, column 4: number is too large");
	check_refused("a: \"x\\0y\"\n", "invalid YAML: line 1, column 4: text holds a NUL character");
	check_refused("? [a]\n: b\n", "invalid YAML: line 1, column 3: a key must be plain text");
}

static void refuses_what_multiplies(void **state)
{
	(void)state;
	check_refused("a: &x [1]\nb: *x\n", "invalid YAML: line 1, column 4: anchors are not supported");
	check_refused("a: &x 1\n", "invalid YAML: line 1, column 4: anchors are not supported");
	check_refused("&x a: 1\n", "invalid YAML: line 1, column 1: anchors are not supported");
	check_refused("a: &x {b: 1}\n", "invalid YAML: line 1, column 4: anchors are not supported");
	check_refused("a: *x\n", "invalid YAML: line 1, column 4: aliases are not supported");
	check_refused("*x : 1\n", "invalid YAML: line 1, column 1: aliases are not supported");
	check_refused("a: !!binary aGk=\n", "invalid YAML: line 1, column 4: tags are not supported");
	check_refused("a: !!set {b, c}\n", "invalid YAML: line 1, column 4: tags are not supported");
}

static void check_aliased(const char *text, const char *expected)
{
	autoptr(Value) value = NULL;
	autoclear(Buffer) json = {0};

	check_ok(value_parse_yaml_aliased(&value, text, strlen(text)));
	value_write(value, &json);
	assert_string_equal(buffer_text(&json), expected);
}

static void check_aliased_refused(const char *text, const char *message)
{
	Value *value = NULL;

	check_invalid(value_parse_yaml_aliased(&value, text, strlen(text)), message);
}

static void aliases_are_what_they_stand_for(void **state)
{
	(void)state;
	check_aliased("a: &x [1, {b: 2}]\nc: *x\nd: &y 3\ne: *y\n", "{\"a\":[1,{\"b\":2}],\"c\":[1,{\"b\":2}],\"d\":3,\"e\":3}");
	check_aliased("a: &x 1\nb: &x 2\nc: *x\n", "{\"a\":1,\"b\":2,\"c\":2}"); /* the last one */
	check_aliased("x: &x {a: 1, b: 2}\ny: {b: 3, <<: *x}\n", "{\"x\":{\"a\":1,\"b\":2},\"y\":{\"b\":3,\"a\":1}}");
	check_aliased("x: &x {a: 1}\ny: &y {a: 2, c: 3}\nz:\n  <<: [*x, *y]\n  d: 4\n",
		"{\"x\":{\"a\":1},\"y\":{\"a\":2,\"c\":3},\"z\":{\"d\":4,\"a\":1,\"c\":3}}");
	check_aliased_refused("a: *x\n", "invalid YAML: line 1, column 4: an alias of nothing");
	check_aliased_refused("a: &x [*x]\n", "invalid YAML: line 1, column 8: an alias of nothing");
	check_aliased_refused("*x : 1\n", "invalid YAML: line 1, column 1: aliases are not supported");
}

static void aliases_are_bounded(void **state)
{
	autoclear(Buffer) laughs = {0}, deep = {0};

	(void)state;
	buffer_add_text(&laughs, "a0: &a0 [lol, lol, lol, lol, lol, lol, lol, lol, lol]\n");
	for (int i = 1; i < 9; i++) {
		buffer_printf(&laughs, "a%d: &a%d [", i, i);
		for (int j = 0; j < 9; j++)
			buffer_printf(&laughs, "%s*a%d", j ? ", " : "", i - 1);
		buffer_add_text(&laughs, "]\n");
	}
	check_aliased_refused(buffer_text(&laughs), "invalid YAML: line 6, column 10: aliases come to too much");
	buffer_add_text(&deep, "a0: &a0 [x]\n");
	for (int i = 1; i < 40; i++)
		buffer_printf(&deep, "a%d: &a%d [*a%d]\n", i, i, i - 1);
	check_aliased_refused(buffer_text(&deep), "invalid YAML: line 32, column 12: nested too deep");
}

static void is_bounded(void **state)
{
	autofree char *text = malloc((1 << 20) + 1);
	Value *value = NULL;

	(void)state;
	memset(text, '[', 1000);
	text[1000] = '\0';
	check_refused(text, "invalid YAML: line 1, column 33: nested too deep");
	memset(text, ' ', (1 << 20) + 1);
	check_error(value_parse_yaml(&value, text, (1 << 20) + 1), ERROR_TOO_LARGE,
		"YAML text is larger than 1048576 bytes");
	check_ok(value_parse_yaml(&value, text, 1 << 20));
	assert_true(value_is_null(value));
	value_free(value);
}

/* Many beside each other are not deep. */
static void depth_is_not_breadth(void **state)
{
	autoptr(Value) value = NULL;
	autoclear(Buffer) text = {0};

	(void)state;
	for (int i = 0; i < 2 * VALUE_DEPTH_MAX; i++)
		buffer_add_text(&text, "- [a]\n- {b: c}\n");
	check_ok(value_parse_yaml(&value, text.data, text.length));
	assert_int_equal(value_count(value), 4 * VALUE_DEPTH_MAX);
}

static void wants_utf8(void **state)
{
	Value *value = NULL;

	(void)state;
	check_refused("a: \xff\n", "invalid YAML: line 1, column 1: invalid leading UTF-8 octet");
	Error *error = value_parse_yaml(&value,
		"\xff\xfe"
		"a\0",
		4);
	assert_int_equal(error_kind(error), ERROR_INVALID);
	error_free(error);
}

static void check_written(const char *json, const char *yaml)
{
	autoptr(Value) value = NULL;
	autoptr(Value) again = NULL;
	autoclear(Buffer) text = {0};

	check_ok(value_parse_yaml(&value, json, strlen(json)));
	value_write_yaml(value, &text);
	if (yaml)
		assert_string_equal(buffer_text(&text), yaml);
	check_ok(value_parse_yaml(&again, buffer_text(&text), text.length));
	assert_true(value_equal(value, again));
}

static void writes_what_it_reads(void **state)
{
	(void)state;
	check_written("{\"name\": \"web\", \"ports\": [\"8080:80\", {\"host\": 81, \"container\": 80}], \"labels\": "
		      "{\"a.b/c\": \"it's\"}}",
		"name: web\n"
		"ports:\n"
		"  - \"8080:80\"\n"
		"  - host: 81\n"
		"    container: 80\n"
		"labels:\n"
		"  a.b/c: \"it's\"\n");
	check_written("{\"a\": [], \"b\": {}, \"c\": null, \"d\": [[1, [2, {\"e\": [3]}]], true]}",
		"a: []\nb: {}\nc: null\nd:\n  - - 1\n    - - 2\n      - e:\n          - 3\n  - true\n");
	check_written("[\"echo hello\", \"a: b\", \"a:\", \"true\", \"No\", \"1\", \"\", \" a\", \"a \", \"#a\", \"a "
		      "#b\", \"-\", \"é\\n\"]",
		"- echo hello\n- \"a: b\"\n- \"a:\"\n- \"true\"\n- \"No\"\n- \"1\"\n- \"\"\n- \" a\"\n- \"a \"\n"
		"- \"#a\"\n- \"a #b\"\n- \"-\"\n- \"é\\n\"\n");
	check_written("{\"8080\": 1.5, \"null\": -2, \"a: b\": \"c\"}", NULL);
	check_written("\"text\"", "text\n");
	check_written("[]", "[]\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_scalars),
		cmocka_unit_test(reads_a_manifest),
		cmocka_unit_test(reads_json),
		cmocka_unit_test(says_where_it_is_wrong),
		cmocka_unit_test(refuses_what_multiplies),
		cmocka_unit_test(aliases_are_what_they_stand_for),
		cmocka_unit_test(aliases_are_bounded),
		cmocka_unit_test(is_bounded),
		cmocka_unit_test(depth_is_not_breadth),
		cmocka_unit_test(wants_utf8),
		cmocka_unit_test(writes_what_it_reads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

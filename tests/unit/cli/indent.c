// SPDX-License-Identifier: Apache-2.0
#include "cli/indent.h"

#include "check.h"

static void check_indented(const char *text, int depth, const char *expected)
{
	autoclear(Buffer) out = {0};

	json_indent(&out, text, strlen(text), depth);
	assert_string_equal(buffer_text(&out), expected);
}

static void layout(void **state)
{
	(void)state;
	check_indented("{}", 0, "{}");
	check_indented(" [ ] ", 0, "[]");
	check_indented("{\"a\":1.50,\"b\":[true,null]}", 0,
		"{\n    \"a\": 1.50,\n    \"b\": [\n        true,\n        null\n    ]\n}");
	check_indented("{\"a\":{}}", 1, "{\n        \"a\": {}\n    }");
	check_indented("\"a,b:{\\\"}\\\\\"", 0, "\"a,b:{\\\"}\\\\\"");
}

/* It is told that the text is well formed; what is not must not lead out of it. */
static void ill_formed(void **state)
{
	static const char *const texts[] = {"\"open", "\"open\\", "{", "]]]]", ",,,", "{\"a\":"};

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		autoclear(Buffer) out = {0};
		json_indent(&out, texts[i], strlen(texts[i]), 0);
		assert_true(out.length >= strlen(texts[i]));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(layout), cmocka_unit_test(ill_formed)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

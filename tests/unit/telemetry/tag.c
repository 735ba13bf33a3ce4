// SPDX-License-Identifier: Apache-2.0
#include "telemetry/tag.h"

#include <string.h>

#include "base/memory.h"
#include "check.h"

static const struct {
	const char *text, *tag; /* tag NULL: refused */
} cases[] = {
	{NULL, "abc123"},
	{"", "abc123"},
	{"plain", "plain"},
	{"{{.Name}}", "Web"},
	{"a/{{ .Name }}/{{.ID}}-", "a/Web/abc123-"},
	{"{{lower .Name}}{{upper .Name}}", "webWEB"},
	{"{{truncate .ID 3}}", "abc"},
	{"{{json .Name}}", "\"Web\""},
	{"{{.ImageName}}", ""},
	{"{{.Colour}}", NULL},
	{"{{colour .Name}}", NULL},
	{"{{truncate .ID}}", NULL},
	{"{{truncate .ID x}}", NULL},
	{"{{.Name", NULL},
	{"{{}}", NULL},
};

static void test_tags(void **state)
{
	autoclear(StringMap) fields = {0};

	(void)state;
	map_set(&fields, "ID", "abc123");
	map_set(&fields, "Name", "Web");
	for (size_t i = 0; i < COUNT(cases); i++) {
		autofree char *tag = NULL;
		Error *error = log_tag_expand(&tag, cases[i].text, &fields);
		assert_int_equal(!error, !!cases[i].tag);
		if (cases[i].tag)
			assert_string_equal(tag, cases[i].tag);
		error_free(error);
	}
}

static void test_a_tag_is_bounded(void **state)
{
	char text[LOG_TAG_MAX + 2];

	(void)state;
	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	check_error(log_tag_check(text), ERROR_INVALID, "the tag is longer than 1024 bytes");
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_tags), cmocka_unit_test(test_a_tag_is_bounded)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

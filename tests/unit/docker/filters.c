// SPDX-License-Identifier: Apache-2.0
#include "docker/filters.h"

#include "check.h"

static const char *const known[] = {"label", "label!", "status", "name", "dangling", NULL};

static void test_forms(void **state)
{
	autoclear(Filters) filters = {0};

	(void)state;
	check_ok(filters_parse(&filters, NULL, known));
	check_ok(filters_parse(&filters, "", known));
	assert_int_equal(filters.count, 0);
	check_ok(filters_parse(&filters,
		"{\"label\":{\"a=b\":true,\"c\":false},\"status\":[\"running\",\"exited\"],\"name\":[]}", known));
	assert_int_equal(filters_values(&filters, "label")->count, 1);
	assert_int_equal(filters_values(&filters, "status")->count, 2);
	assert_null(filters_values(&filters, "name"));
	assert_null(filters_values(&filters, "dangling"));
}

static void test_refusals(void **state)
{
	autoclear(Filters) filters = {0};

	(void)state;
	check_invalid(filters_parse(&filters, "{\"colour\":[\"red\"]}", known), "invalid filter 'colour'");
	check_invalid(filters_parse(&filters, "{\"label\":[1]}", known), "filter \"label\": values must be strings");
	check_invalid(filters_parse(&filters, "{\"label\":\"x\"}", known),
		"filter \"label\" must be an array of strings, not string");
	check_invalid(filters_parse(&filters, "[]", known), "query parameter \"filters\" must be an object, not array");
	assert_int_equal(filters.count, 0);
}

static void test_match(void **state)
{
	autoclear(Filters) filters = {0};
	autoclear(StringMap) labels = {0};

	(void)state;
	map_set(&labels, "a", "b");
	check_ok(filters_parse(
		&filters, "{\"label\":[\"a\",\"a=b\"],\"status\":[\"x\"],\"name\":[\"^/fo+$\",\"(\"]}", known));
	assert_true(filters_labels(&filters, &labels));
	map_set(&labels, "a", "c");
	assert_false(filters_labels(&filters, &labels));
	assert_true(filters_exact(&filters, "status", "x"));
	assert_false(filters_exact(&filters, "status", "y"));
	assert_true(filters_exact(&filters, "dangling", "anything"));
	assert_true(filters_pattern(&filters, "name", "/foo"));
	assert_true(filters_pattern(&filters, "name", "("));
	assert_false(filters_pattern(&filters, "name", "/food"));
}

static bool fits(const char *pattern, const char *text)
{
	autofree char *filter = string_printf("{\"name\":[\"%s\"]}", pattern);
	autoclear(Filters) filters = {0};

	check_ok(filters_parse(&filters, filter, known));
	return filters_pattern(&filters, "name", text);
}

/* Each of these would take all memory or time there is. */
static void test_dear_patterns(void **state)
{
	static const char *const dear[] = {"a++++++++++++++++++++++++++++++++++++++++",
		"((((((((((((((((((((a)+)+)+)+)+)+)+)+)+)+)+)+)+)+)+)+)+)+)+)+", "(((a{99}){99}){99}){99}",
		"(((a{2,99}){99,}){0,99}){99}", "a{32767}", "((a*)(b*)(c*))\\\\1"};

	(void)state;
	for (size_t i = 0; i < sizeof(dear) / sizeof(dear[0]); i++)
		assert_false(fits(dear[i], "aaaa"));
	assert_true(fits("a++++++++++++++++++++++++++++++++++++++++", "a++++++++++++++++++++++++++++++++++++++++"));
	assert_true(fits(
		"^([a-z]+-)*[0-9a-f]{64}$", "web-0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"));
	assert_true(fits("^([0-9]{1,3}[.]){3}[0-9]{1,3}$", "127.0.0.1"));
	assert_true(fits("^(web|db)+[0-9]+[a-z]+$", "webdb12x"));
}

static void test_unwanted_labels(void **state)
{
	autoclear(Filters) filters = {0};
	autoclear(StringMap) labels = {0};

	(void)state;
	check_ok(filters_parse(&filters, "{\"label!\":[\"keep\"]}", known));
	assert_true(filters_labels(&filters, &labels));
	map_set(&labels, "keep", "");
	assert_false(filters_labels(&filters, &labels));
}

static void test_bool(void **state)
{
	autoclear(Filters) filters = {0};
	bool given, value;

	(void)state;
	check_ok(filters_bool(&filters, "dangling", &given, &value));
	assert_false(given);
	check_ok(filters_parse(&filters, "{\"dangling\":{\"true\":true}}", known));
	check_ok(filters_bool(&filters, "dangling", &given, &value));
	assert_true(given && value);
	filters_clear(&filters);
	check_ok(filters_parse(&filters, "{\"dangling\":[\"maybe\"]}", known));
	check_invalid(filters_bool(&filters, "dangling", &given, &value), "invalid filter 'dangling=maybe'");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_forms),
		cmocka_unit_test(test_refusals),
		cmocka_unit_test(test_match),
		cmocka_unit_test(test_dear_patterns),
		cmocka_unit_test(test_unwanted_labels),
		cmocka_unit_test(test_bool),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

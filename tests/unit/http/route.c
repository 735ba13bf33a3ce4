// SPDX-License-Identifier: Apache-2.0
#include "http/route.h"

#include "base/memory.h"
#include "check.h"

static void finds(const char *pattern, const char *path, const char *expected)
{
	RouteMatch match;

	assert_true(route_match(&match, pattern, path));
	autofree char *value =
		match.count ? mem_strndup(match.params[0].value, match.params[0].value_length) : mem_strdup("");
	assert_string_equal(value, expected);
}

static void misses(const char *pattern, const char *path)
{
	RouteMatch match;

	assert_false(route_match(&match, pattern, path));
}

static void test_match(void **state)
{
	(void)state;
	finds("/info", "/info", "");
	finds("/containers/{id}/json", "/containers/a1/json", "a1");
	finds("/containers/{id}", "/containers/a1", "a1");
	finds("/images/{name...}/json", "/images/a/b:c/json", "a/b:c");
	finds("/images/{name...}/json", "/images/json/json", "json");
	finds("/images/{name...}", "/images/a/b/json", "a/b/json");
	misses("/info", "/inf");
	misses("/info", "/info/");
	misses("/containers/{id}/json", "/containers//json");
	misses("/containers/{id}/json", "/containers/a/b/json");
	misses("/containers/{id}", "/containers/");
	misses("/images/{name...}/json", "/images/json");
	misses("/images/{name...}/json", "/images//json");
	misses("/images/{name...}/json", "/images/a");
}

static void test_find(void **state)
{
	static const HttpRoute routes[] = {{"GET", "/a/json", NULL, 0, 0}, {"POST", "/a/{x}", NULL, 0, 0},
		{"GET", "/a/{x}", NULL, 0, 0}, {NULL, NULL, NULL, 0, 0}};
	RouteMatch match;

	(void)state;
	assert_ptr_equal(route_find(&match, routes, "GET", "/a/json"), &routes[0]);
	assert_ptr_equal(route_find(&match, routes, "HEAD", "/a/b"), &routes[2]);
	assert_ptr_equal(route_find(&match, routes, "POST", "/a/json"), &routes[1]);
	assert_null(route_find(&match, routes, "PUT", "/a/b"));
}

static void decodes(const char *text, const char *expected)
{
	char *decoded = NULL;

	check_ok(percent_decode(&decoded, text, strlen(text)));
	check_text(decoded, expected);
}

static void test_decode(void **state)
{
	static const char *const bad[] = {"%", "%4", "a%4", "%4g", "%zz", "%00", "a%00b"};
	char *decoded = NULL;

	(void)state;
	decodes("", "");
	decodes("a%2Fb%2fc", "a/b/c");
	decodes("%25%20+", "% +");
	decodes("%C3%A9", "\xc3\xa9");
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		check_invalid(percent_decode(&decoded, bad[i], strlen(bad[i])),
			"invalid percent encoding in the request's address");
	check_invalid(percent_decode(&decoded, "%ff", 3), "the request's address is not UTF-8");
	assert_null(decoded);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_match),
		cmocka_unit_test(test_find),
		cmocka_unit_test(test_decode),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

// SPDX-License-Identifier: Apache-2.0
#include "fetch/registry/url.h"

#include "base/memory.h"
#include "base/strings.h"
#include "check.h"

static void resolves(void **state)
{
	(void)state;
	static const char *const cases[][3] = {
		{NULL, "https://host/x", "https://host/x"},
		{"https://host:5000/v2/a", "/v2/b?c=d", "https://host:5000/v2/b?c=d"},
		{"https://host/v2/a", "//other/b", "https://other/b"},
		{"https://host/v2/a", "http://other/b", "http://other/b"},
		{"https://host/v2/a", "b", "https://host/v2/b"},
		{"https://host/v2/a", "https://user:secret@other/b#part", "https://other/b"},
		{"https://host/v2/a?x=y", "?z", "https://host/v2/a?z"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		autofree char *url = NULL;
		check_ok(url_resolve(&url, cases[i][0], cases[i][1]));
		assert_string_equal(url, cases[i][2]);
	}
}

static void refuses(void **state)
{
	(void)state;
	static const char *const other[] = {"file:///etc/passwd", "ftp://host/x", "gopher://host/x", "scp://host/x"};
	static const char *const none[] = {"", "https://", "https://a b/", "no url", "/relative"};
	char *url = NULL;

	for (size_t i = 0; i < sizeof(other) / sizeof(other[0]); i++) {
		autofree char *message = string_printf("URL \"%s\" is neither http nor https", other[i]);
		check_invalid(url_resolve(&url, "https://host/", other[i]), message);
	}
	for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++) {
		autofree char *message = string_printf("\"%s\" is no URL", none[i]);
		check_invalid(url_resolve(&url, NULL, none[i]), message);
	}
}

static void origins(void **state)
{
	(void)state;
	check_text(url_origin("https://Host/x"), "https://host:443");
	check_text(url_origin("http://host/"), "http://host:80");
	check_text(url_origin("https://host:5000/x?y"), "https://host:5000");
	check_text(url_origin("https://[::1]:5000/"), "https://[::1]:5000");
	check_text(url_origin("nonsense"), "");
	check_text(url_host("https://host:443/x"), "host");
	check_text(url_host("http://host:443/x"), "host:443");
	assert_true(url_is_plain("http://host/"));
	assert_true(url_is_plain("nonsense"));
	assert_false(url_is_plain("HTTPS://host/"));
}

static void adds_queries(void **state)
{
	(void)state;
	autofree char *url = mem_strdup("https://host/x?state=a%2Fb");

	check_ok(url_add_query(&url, "digest", "sha256:00&x=y"));
	assert_string_equal(url, "https://host/x?state=a%2Fb&digest=sha256%3a00%26x%3dy");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(resolves),
		cmocka_unit_test(refuses),
		cmocka_unit_test(origins),
		cmocka_unit_test(adds_queries),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

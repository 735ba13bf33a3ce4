// SPDX-License-Identifier: Apache-2.0
#include "engine/resolv_conf.h"

#include "check.h"

typedef struct Case {
	const char *host, *server, *search, *options;
	bool is_private;
	const char *result;
} Case;

static const char plain[] = "# ours\nnameserver 10.0.0.1\nnameserver 127.0.0.1\nsearch a b\noptions ndots:2 rotate\n";

static const Case cases[] = {
	{plain, NULL, NULL, NULL, false, plain},
	{plain, NULL, NULL, NULL, true, "# ours\nnameserver 10.0.0.1\nsearch a b\noptions ndots:2 rotate\n"},
	{plain, "9.9.9.9", NULL, NULL, true, "search a b\nnameserver 9.9.9.9\noptions ndots:2 rotate\n"},
	{plain, "127.0.0.9", NULL, NULL, true, "search a b\nnameserver 127.0.0.9\noptions ndots:2 rotate\n"},
	{plain, NULL, "x", NULL, true, "search x\nnameserver 10.0.0.1\noptions ndots:2 rotate\n"},
	{plain, NULL, ".", NULL, false, "nameserver 10.0.0.1\nnameserver 127.0.0.1\noptions ndots:2 rotate\n"},
	{plain, NULL, NULL, "timeout:1", true, "search a b\nnameserver 10.0.0.1\noptions timeout:1\n"},
	{"nameserver ::1\nnameserver 127.1.2.3\nnameserver fe80::1\n", NULL, NULL, NULL, true, "nameserver fe80::1\n"},
	{"nameserver 127.0.0.53\n", NULL, NULL, NULL, true, ""},
	{"\tnameserver\t1.1.1.1 # first\ndomain d\nsearch e f\nnameservers 2.2.2.2", "3.3.3.3", NULL, NULL, true,
		"search e f\nnameserver 3.3.3.3\n"},
	{"", "1.1.1.1", "s", "o", true, "search s\nnameserver 1.1.1.1\noptions o\n"},
	{"", NULL, NULL, NULL, true, ""},
};

static void add(StringList *list, const char *word)
{
	if (word)
		strings_add(list, word);
}

static void check_case(const Case *expected, bool has_names)
{
	autoclear(StringList) servers = {0}, search = {0}, options = {0};
	autoclear(Buffer) out = {0};
	ResolvWish wish = {.servers = &servers,
		.search = &search,
		.options = &options,
		.is_private = expected->is_private,
		.has_names = has_names};

	add(&servers, expected->server);
	add(&search, expected->search);
	add(&options, expected->options);
	resolv_conf_write(&out, expected->host, &wish);
	assert_string_equal(buffer_text(&out), expected->result);
}

static void test_texts(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		check_case(&cases[i], false);
}

/* The container's name server is its own, whatever the host's are. */
static void test_with_names(void **state)
{
	static const Case named[] = {
		{"search a\nnameserver 10.0.0.1\n", NULL, NULL, NULL, true,
			"search a\nnameserver 127.0.0.11\noptions ndots:0\n"},
		{"", "9.9.9.9", "b", "timeout:1", true, "search b\nnameserver 127.0.0.11\noptions timeout:1 ndots:0\n"},
		{"options ndots:2\n", NULL, ".", NULL, true, "nameserver 127.0.0.11\noptions ndots:2\n"},
		{"options ndots:2\n", NULL, NULL, "ndots:1", true, "nameserver 127.0.0.11\noptions ndots:1\n"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(named) / sizeof(named[0]); i++)
		check_case(&named[i], true);
}

static void test_stub(void **state)
{
	(void)state;
	assert_true(resolv_conf_is_stub("# systemd\nnameserver 127.0.0.53\noptions edns0\n"));
	assert_false(resolv_conf_is_stub("nameserver 127.0.0.53\nnameserver 1.1.1.1\n"));
	assert_false(resolv_conf_is_stub("nameserver 127.0.0.1\n"));
	assert_false(resolv_conf_is_stub(""));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_texts),
		cmocka_unit_test(test_with_names),
		cmocka_unit_test(test_stub),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

// SPDX-License-Identifier: Apache-2.0
#include "runtime/user.h"

#include "base/buffer.h"
#include "base/memory.h"
#include "layers.h"

static const char passwd[] = "# comment\n"
			     "root:x:0:0:root:/root:/bin/sh\n"
			     "broken:x:abc:0::/:\n"
			     "short:x:5\n"
			     ":x:6:6::/:\n"
			     "+::::::\n"
			     "web:x:1000:1001:web server:/srv/web:/bin/false\n"
			     "42:x:7:8::/named-42:\n"
			     "huge:x:99999999999:1::/:\n"
			     "last:x:2000:2000::relative:/bin/sh";

static const char group[] = "root:x:0:\n"
			    "web:x:1001:\n"
			    "audio:x:29:web,root\n"
			    "video:x:44:webmaster,xweb\n"
			    "docker:x:999:other,web\n"
			    "broken:x:zz:web\n"
			    "staff:x:50\n";

/* "uid gid home groups..." or the error's message */
static char *resolve(const char *top, const char *user, const char *extra)
{
	autoclear(StringList) layers = {0}, groups = {0};
	autoclear(Buffer) text = {0};
	UserIds ids;

	list_layers(&layers, top, "a b");
	strings_split(&groups, extra, ' ');
	Error *error = user_resolve(&ids, user, &groups, &layers);
	if (error) {
		char *message = mem_strdup(error_message(error));
		assert_int_equal(error_kind(error), ERROR_INVALID);
		error_free(error);
		return message;
	}
	buffer_printf(&text, "%u %u %s", ids.uid, ids.gid, ids.home);
	for (size_t i = 0; i < ids.group_count; i++)
		buffer_printf(&text, " %u", ids.groups[i]);
	return buffer_steal(&text);
}

static void test_resolving(void **state)
{
	put_file(*state, "b/etc/passwd", passwd);
	put_file(*state, "b/etc/group", group);
	check_text(resolve(*state, NULL, ""), "0 0 /root 29");
	check_text(resolve(*state, "", ""), "0 0 /root 29");
	check_text(resolve(*state, "root", ""), "0 0 /root 29");
	check_text(resolve(*state, "web", ""), "1000 1001 /srv/web 29 999");
	check_text(resolve(*state, "1000", ""), "1000 1001 /srv/web 29 999");
	check_text(resolve(*state, "1000:0", ""), "1000 0 /srv/web");
	check_text(resolve(*state, "web:audio", ""), "1000 29 /srv/web");
	check_text(resolve(*state, "web:12345", ""), "1000 12345 /srv/web");
	check_text(resolve(*state, ":audio", ""), "0 29 /root");
	check_text(resolve(*state, "web:", ""), "1000 1001 /srv/web 29 999");
	check_text(resolve(*state, "5555", ""), "5555 0 /");
	check_text(resolve(*state, "5555:6666", ""), "5555 6666 /");
	check_text(resolve(*state, "42", ""), "7 8 /named-42"); /* a name wins */
	check_text(resolve(*state, "last", ""), "2000 2000 /"); /* a home that is no path */
	check_text(resolve(*state, "2147483647", ""), "2147483647 0 /");
}

static void test_extra_groups(void **state)
{
	put_file(*state, "b/etc/passwd", passwd);
	put_file(*state, "b/etc/group", group);
	check_text(resolve(*state, "web", "audio 77 video"), "1000 1001 /srv/web 29 999 77 44");
	check_text(resolve(*state, "web:web", "audio"), "1000 1001 /srv/web 29");
	check_text(resolve(*state, "web", "nobody"), "group \"nobody\" is not in the image's /etc/group");
}

static void test_unknown_names(void **state)
{
	put_file(*state, "b/etc/passwd", passwd);
	put_file(*state, "b/etc/group", group);
	check_text(resolve(*state, "nobody", ""), "user \"nobody\" is not in the image's /etc/passwd");
	check_text(resolve(*state, "broken", ""), "user \"broken\" is not in the image's /etc/passwd");
	check_text(resolve(*state, "huge", ""), "user \"huge\" is not in the image's /etc/passwd");
	check_text(resolve(*state, "web:nobody", ""), "group \"nobody\" is not in the image's /etc/group");
	check_text(resolve(*state, "-1", ""), "user \"-1\" is not in the image's /etc/passwd");
	check_text(resolve(*state, "2147483648", ""), "user \"2147483648\" is not in the image's /etc/passwd");
	check_text(resolve(*state, "web:broken", ""), "group \"broken\" is not in the image's /etc/group");
}

static void test_without_files(void **state)
{
	check_text(resolve(*state, NULL, ""), "0 0 /");
	check_text(resolve(*state, "1000:1000", ""), "1000 1000 /");
	check_text(resolve(*state, "web", ""), "user \"web\" is not in the image's /etc/passwd");
}

static void test_upper_layer_wins(void **state)
{
	needs_root();
	put_file(*state, "b/etc/passwd", passwd);
	put_file(*state, "a/etc/passwd", "web:x:3000:3000::/new:\n");
	put_whiteout(*state, "a/etc/group");
	put_file(*state, "b/etc/group", group);
	check_text(resolve(*state, "web", ""), "3000 3000 /new");
	check_text(resolve(*state, "web:audio", ""), "group \"audio\" is not in the image's /etc/group");
}

/* The host's own accounts are out of reach. */
static void test_link_to_the_host(void **state)
{
	put_link(*state, "a/etc/passwd", "../../../../../../../../../../../etc/shadow");
	put_file(*state, "b/etc/shadow", "web:x:1:1::/:\n");
	check_text(resolve(*state, "web", ""), "1 1 /");
}

static void test_bounds(void **state)
{
	autoclear(Buffer) text = {0};
	autoclear(StringList) layers = {0}, none = {0};
	autofree char *many = NULL;
	UserIds ids;

	list_layers(&layers, *state, "a");
	for (int i = 0; i < 65; i++)
		buffer_printf(&text, "g%d:x:%d:web\n", i, 100 + i);
	put_file(*state, "a/etc/passwd", "web:x:1:1::/:\n");
	put_file(*state, "a/etc/group", buffer_text(&text));
	check_error(user_resolve(&ids, "web", &none, &layers), ERROR_TOO_LARGE, "user is in more than 64 groups");
	many = mem_alloc((1 << 20) + 2);
	memset(many, 'x', (1 << 20) + 1);
	put_file(*state, "a/etc/passwd", many);
	Error *error = user_resolve(&ids, "web", &none, &layers);
	assert_non_null(error);
	assert_int_equal(error_kind(error), ERROR_TOO_LARGE);
	error_free(error);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		layer_test(test_resolving),
		layer_test(test_extra_groups),
		layer_test(test_unknown_names),
		layer_test(test_without_files),
		layer_test(test_upper_layer_wins),
		layer_test(test_link_to_the_host),
		layer_test(test_bounds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

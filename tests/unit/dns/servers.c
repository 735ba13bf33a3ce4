// SPDX-License-Identifier: Apache-2.0
#include "dns/servers.h"

#include <arpa/inet.h>

#include "base/strings.h"
#include "check.h"

static char *list_text(const ServerList *list)
{
	autoclear(StringList) words = {0};
	char text[INET6_ADDRSTRLEN];

	for (size_t i = 0; i < list->count; i++) {
		const struct sockaddr_in *four = (const struct sockaddr_in *)&list->items[i].address;
		const struct sockaddr_in6 *six = (const struct sockaddr_in6 *)&list->items[i].address;
		bool is_four = four->sin_family == AF_INET;
		inet_ntop(four->sin_family, is_four ? (const void *)&four->sin_addr : &six->sin6_addr, text,
			sizeof(text));
		assert_int_equal(ntohs(is_four ? four->sin_port : six->sin6_port), 53);
		strings_printf(&words, is_four || !six->sin6_scope_id ? "%s" : "%s%%%u", text, six->sin6_scope_id);
	}
	return strings_join(&words, " ");
}

static void test_resolv_conf(void **state)
{
	static const struct {
		const char *text, *servers;
	} cases[] = {
		{"", ""},
		{"nameserver 192.0.2.1", "192.0.2.1"},
		{"  nameserver\t192.0.2.1  # here\nsearch a b\nnameserver 2001:db8::1\n", "192.0.2.1 2001:db8::1"},
		{"#nameserver 192.0.2.1\n;nameserver 192.0.2.1\nnameservers 192.0.2.1\nNAMESERVER 192.0.2.1\n", ""},
		{"nameserver\nnameserver \nnameserver 192.0.2\nnameserver 192.0.2.1.1\nnameserver ::g\nnameserver x\n",
			""},
		{"nameserver 127.0.0.53\r\nnameserver ::1\r\n", "127.0.0.53 ::1"},
		{"nameserver 127.0.0.11\nnameserver 127.0.0.1\n", "127.0.0.1"}, /* where containers ask us */
		{"nameserver fe80::1%lo\nnameserver fe80::1%no-such-link\n", "fe80::1%1"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		ServerList list = {0};
		servers_parse(&list, cases[i].text);
		check_text(list_text(&list), cases[i].servers);
	}
}

static void test_as_many_as_there_is_room_for(void **state)
{
	autofree char *text = NULL;
	autoclear(StringList) lines = {0};
	ServerList list = {0};

	(void)state;
	for (int i = 0; i < 100; i++)
		strings_printf(&lines, "nameserver 192.0.2.%d", i);
	text = strings_join(&lines, "\n");
	servers_parse(&list, text);
	assert_int_equal(list.count, SERVERS_MAX);
}

static void write_conf(const char *path, const char *text)
{
	check_ok(file_replace(AT_FDCWD, path, text, strlen(text), 0644));
}

static void test_the_hosts_servers_are_followed(void **state)
{
	autofree char *path = path_join(*state, "resolv.conf");
	HostServers host = {.path = path};

	assert_int_equal(host_servers(&host)->count, 0);
	write_conf(path, "nameserver 192.0.2.1\n");
	check_text(list_text(host_servers(&host)), "192.0.2.1");
	write_conf(path, "nameserver 192.0.2.2\n");
	check_text(list_text(host_servers(&host)), "192.0.2.2");
	write_conf(path, "");
	check_text(list_text(host_servers(&host)), "192.0.2.2");
	check_ok(file_unlink(AT_FDCWD, path));
	check_text(list_text(host_servers(&host)), "192.0.2.2");
	write_conf(path, "nameserver 192.0.2.3\n");
	check_text(list_text(host_servers(&host)), "192.0.2.3");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_resolv_conf),
		cmocka_unit_test(test_as_many_as_there_is_room_for),
		directory_test(test_the_hosts_servers_are_followed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

// SPDX-License-Identifier: Apache-2.0
#include "dns/names.h"

#include <arpa/inet.h>

#include "base/memory.h"
#include "check.h"
#include "dns/message.h"

static void set(Names *names, const char *network, const char *container, const char *ipv4, const char *all,
	unsigned generation)
{
	autoclear(StringList) list = {0};
	const NamesEntry entry = {.network = network,
		.container = container,
		.ipv4 = ipv4,
		.ipv6 = "",
		.names = &list,
		.generation = generation};

	strings_split(&list, all, ' ');
	names_set(names, &entry);
}

/* The containers that a name stands for, in turn. */
static char *look_up(Names *names, const char *network, const char *name)
{
	autoclear(StringList) ids = {0};
	Found found = {0};

	if (!names_look_up(names, &found, network, name))
		return mem_strdup("unknown");
	for (size_t i = 0; i < found.count; i++)
		strings_add(&ids, found.endpoints[(found.first + i) % found.count]->container);
	return strings_join(&ids, " ");
}

static void test_names(void **state)
{
	autoptr(Names) names = names_new();

	(void)state;
	set(names, "n", "a", "10.0.0.1", "Web web shared", 0);
	set(names, "n", "b", "10.0.0.2", "db shared", 0);
	set(names, "m", "b", "10.1.0.2", "db", 0);
	check_text(look_up(names, "n", "web"), "a");
	check_text(look_up(names, "m", "web"), "unknown");
	check_text(look_up(names, "none", "web"), "unknown");
	check_text(look_up(names, "n", "shared"), "a b");
	check_text(look_up(names, "n", "shared"), "b a");
	set(names, "n", "a", "10.0.0.1", "Web web shared", 1); /* nothing new: the order stays */
	check_text(look_up(names, "n", "shared"), "a b");
	names_remove(names, "n", "a");
	names_remove(names, "n", "a");
	names_remove(names, "none", "a");
	check_text(look_up(names, "n", "shared"), "b");
	check_text(look_up(names, "n", "web"), "unknown");
	set(names, "n", "b", "10.0.0.3", "other", 0);
	check_text(look_up(names, "n", "db"), "unknown");
	check_text(look_up(names, "n", "other"), "b");
}

static void test_sweep(void **state)
{
	autoptr(Names) names = names_new();

	(void)state;
	for (int i = 0; i < 100; i++) {
		autofree char *id = string_printf("c%d", i);
		autofree char *ip = string_printf("10.0.0.%d", i);
		set(names, i % 2 ? "n" : "m", id, ip, id, 1);
	}
	set(names, "n", "c7", "10.0.0.7", "c7", 2);
	names_sweep(names, 2);
	check_text(look_up(names, "n", "c7"), "c7");
	check_text(look_up(names, "n", "c9"), "unknown");
	check_text(look_up(names, "m", "c8"), "unknown");
	names_sweep(names, 3);
	check_text(look_up(names, "n", "c7"), "unknown");
}

static const char *of_address(const Names *names, const char *network, const char *ipv4)
{
	char reverse[REVERSE_NAME_MAX];
	struct in_addr address;

	assert_int_equal(inet_pton(AF_INET, ipv4, &address), 1);
	reverse_name_ipv4(reverse, address);
	const Endpoint *endpoint = names_of_address(names, network, reverse);
	return endpoint ? endpoint->container : NULL;
}

/* A container that has the address of one that is not forgotten yet keeps it. */
static void test_addresses(void **state)
{
	autoptr(Names) names = names_new();

	(void)state;
	set(names, "n", "a", "10.0.0.1", "a", 0);
	assert_string_equal(of_address(names, "n", "10.0.0.1"), "a");
	assert_null(of_address(names, "m", "10.0.0.1"));
	set(names, "n", "b", "10.0.0.1", "b", 0);
	names_remove(names, "n", "a");
	assert_string_equal(of_address(names, "n", "10.0.0.1"), "b");
	set(names, "n", "b", "", "b", 0);
	assert_null(of_address(names, "n", "10.0.0.1"));
	assert_false(names_endpoint(names, "n", "b")->has_ipv4);
	assert_null(names_endpoint(names, "n", "a"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_sweep),
		cmocka_unit_test(test_addresses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

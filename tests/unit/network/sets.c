// SPDX-License-Identifier: Apache-2.0
/* What ports and networks are in the table's sets: as nft reads it, and in words. */
#include "network/sets.h"

#include <netinet/in.h>

#include "check.h"

static PublishElement publish(const char *host, uint16_t port, const char *to)
{
	PublishElement element = {.protocol = IPPROTO_TCP, .host_port = port, .to_port = 80};

	check_ok(address_parse(&element.to, to));
	if (host)
		check_ok(address_parse(&element.host, host));
	element.family = element.to.family;
	return element;
}

static NetworkElement network(const char *subnet)
{
	NetworkElement element = {.bridge = "br0", .has_icc = true, .masquerades = true};

	check_ok(subnet_parse(&element.subnets[element.subnet_count++], subnet));
	return element;
}

static char *text_of(const ElementList *list, void (*write)(Buffer *out, const Element *element))
{
	autoclear(Buffer) out = {0};

	for (size_t i = 0; i < list->count; i++) {
		buffer_printf(&out, "%s%s ", i ? "; " : "", set_name(list->items[i].set));
		write(&out, &list->items[i]);
	}
	return buffer_steal(&out);
}

static void check_publish(const PublishElement *element, const char *printed, const char *said)
{
	autoclear(ElementList) list = {0};

	elements_add_publish(&list, element);
	autofree char *text = text_of(&list, element_print);
	autofree char *words = text_of(&list, element_say);
	assert_string_equal(text, printed);
	assert_string_equal(words, said);
}

static void check_network(const NetworkElement *element, const char *printed)
{
	autoclear(ElementList) list = {0};

	elements_add_network(&list, element);
	autofree char *text = text_of(&list, element_print);
	assert_string_equal(text, printed);
}

static void test_ports(void **state)
{
	PublishElement any = publish(NULL, 8080, "10.1.0.2"), one = publish("192.0.2.1", 53, "10.1.0.2"),
		       six = publish(NULL, 8080, "fd00::2");
	(void)state;

	check_publish(
		&any, "published4 6 . 8080 : 10.1.0.2 . 80", "published4 tcp port 8080 leads to 10.1.0.2 port 80");
	one.protocol = IPPROTO_UDP;
	check_publish(&one, "published4_at 192.0.2.1 . 17 . 53 : 10.1.0.2 . 80",
		"published4_at 192.0.2.1 udp port 53 leads to 10.1.0.2 port 80");
	six.is_relayed = true;
	check_publish(&six, "relay6 6 . 8080; published6 6 . 8080 : fd00::2 . 80",
		"relay6 tcp port 8080; published6 tcp port 8080 leads to fd00::2 port 80");
	six.to.family = 0;
	check_publish(&six, "relay6 6 . 8080", "relay6 tcp port 8080");
	error_free(address_parse(&six.host, "2001:db8::1"));
	check_publish(&six, "relay6_at 2001:db8::1 . 6 . 8080", "relay6_at 2001:db8::1 tcp port 8080");
	any.is_routed = true;
	check_publish(&any, "open4 10.1.0.2 . 6 . 80", "open4 10.1.0.2 tcp port 80");
}

static void test_networks(void **state)
{
	NetworkElement plain = network("10.1.0.1/16"), internal = network("10.1.0.1/16"),
		       source = network("fd00::1/64");
	(void)state;

	check_network(&plain, "bridges \"br0\"; same \"br0\" . \"br0\"; hairpin4 10.1.0.0/16 . 10.1.0.0/16; "
			      "masquerade4 10.1.0.0/16 . 0.0.0.0/0");
	internal.is_internal = true;
	internal.has_icc = false;
	check_network(&internal, "bridges \"br0\"; internal \"br0\"; hairpin4 10.1.0.0/16 . 10.1.0.0/16");
	source.mode4 = GATEWAY_ROUTED;
	check_ok(address_parse(&source.source6, "2001:db8::1"));
	check_network(&source,
		"bridges \"br0\"; same \"br0\" . \"br0\"; routed \"br0\" . ipv4; hairpin6 fd00::/64 . fd00::/64; "
		"source6 fd00::/64 . ::/0 : 2001:db8::1");
}

/* What is to be removed, and what is to be added; a port that leads elsewhere is both. */
static void test_differences(void **state)
{
	PublishElement here = publish(NULL, 1, "10.1.0.2"), there = publish(NULL, 1, "10.1.0.3"),
		       other = publish(NULL, 2, "10.1.0.2");
	autoclear(ElementList) actual = {0};
	autoclear(ElementList) desired = {0};
	autoclear(ElementList) surplus = {0};
	autoclear(ElementList) lacking = {0};
	(void)state;

	elements_add_publish(&actual, &other);
	elements_add_publish(&actual, &here);
	elements_add_publish(&desired, &there);
	elements_add_publish(&desired, &other);
	elements_add_publish(&desired, &other);
	elements_sort(&actual);
	elements_sort(&desired);
	assert_int_equal(desired.count, 2);
	elements_difference(&surplus, &actual, &desired);
	elements_difference(&lacking, &desired, &actual);
	autofree char *gone = text_of(&surplus, element_print);
	autofree char *come = text_of(&lacking, element_print);
	assert_string_equal(gone, "published4 6 . 1 : 10.1.0.2 . 80");
	assert_string_equal(come, "published4 6 . 1 : 10.1.0.3 . 80");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ports),
		cmocka_unit_test(test_networks),
		cmocka_unit_test(test_differences),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

// SPDX-License-Identifier: Apache-2.0
#include "network/address.h"

#include <sys/socket.h>

#include "base/memory.h"
#include "check.h"

static Subnet subnet(const char *text)
{
	Subnet parsed;

	check_ok(subnet_parse(&parsed, text));
	return parsed;
}

static Address address(const char *text)
{
	Address parsed;

	check_ok(address_parse(&parsed, text));
	return parsed;
}

static void check_address(Address shown, const char *expected)
{
	char text[ADDRESS_TEXT_MAX];

	address_format(text, &shown);
	assert_string_equal(text, expected);
}

static void test_addresses_are_read_and_shown(void **state)
{
	(void)state;
	check_address(address("192.0.2.1"), "192.0.2.1");
	check_address(address("2001:DB8:0:0::1"), "2001:db8::1");
	check_address(address("::ffff:192.0.2.1"), "::ffff:192.0.2.1");
	check_address((Address){0}, "");
}

static void test_what_is_no_address_is_refused(void **state)
{
	static const char *const texts[] = {
		"", "192.0.2", "192.0.2.256", "192.0.2.1 ", "fe80::1%eth0", "host", "1::2::3"};
	Address parsed;

	(void)state;
	for (size_t i = 0; i < COUNT(texts); i++) {
		char expected[64];

		snprintf(expected, sizeof(expected), "\"%s\" is not an IP address", texts[i]);
		check_invalid(address_parse(&parsed, texts[i]), expected);
	}
}

static void test_addresses_are_in_counting_order(void **state)
{
	static const char *const ordered[] = {"0.0.0.0", "9.255.0.1", "10.0.0.0", "255.0.0.1", "::", "::1:0", "fd00::"};

	(void)state;
	for (size_t i = 0; i < COUNT(ordered); i++)
		for (size_t j = 0; j < COUNT(ordered); j++) {
			Address a = address(ordered[i]), b = address(ordered[j]);
			int order = address_compare(&a, &b);

			assert_int_equal((order > 0) - (order < 0), (i > j) - (i < j));
			assert_int_equal(address_equal(&a, &b), i == j);
		}
}

static void test_loopback(void **state)
{
	static const struct {
		const char *text;
		bool is_loopback;
	} rows[] = {{"127.0.0.1", true}, {"127.255.1.2", true}, {"128.0.0.1", false}, {"::1", true}, {"::", false},
		{"fe80::1", false}, {"::ffff:127.0.0.1", false}};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		Address one = address(rows[i].text);

		assert_int_equal(address_is_loopback(&one), rows[i].is_loopback);
	}
}

static void test_subnets_are_shown_with_and_without_host(void **state)
{
	static const char *const rows[][2] = {{"10.1.2.3/16", "10.1.0.0/16"}, {"10.1.2.3/32", "10.1.2.3/32"},
		{"10.1.2.3/0", "0.0.0.0/0"}, {"10.1.2.255/25", "10.1.2.128/25"}, {"fd00::12:34/64", "fd00::/64"},
		{"fd00:0:0:ff::/58", "fd00:0:0:c0::/58"}, {"fd00::1/128", "fd00::1/128"}, {"fd00::1/0", "::/0"}};
	char text[SUBNET_TEXT_MAX];

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		Subnet given = subnet(rows[i][0]);

		subnet_format(text, &given);
		assert_string_equal(text, rows[i][1]);
		subnet_format_with_host(text, &given);
		assert_string_equal(text, rows[i][0]);
	}
}

static void test_what_is_no_subnet_is_refused(void **state)
{
	Subnet parsed;

	(void)state;
	check_invalid(subnet_parse(&parsed, "10.0.0.0"), "\"10.0.0.0\" is not of the form ADDRESS/PREFIX");
	check_invalid(subnet_parse(&parsed, "10.0.0/8"), "\"10.0.0\" is not an IP address");
	check_invalid(subnet_parse(&parsed, "/8"), "\"\" is not an IP address");
	for (size_t i = 0; i < 5; i++) {
		static const char *const texts[] = {
			"10.0.0.0/33", "10.0.0.0/", "10.0.0.0/-1", "10.0.0.0/8 ", "fd00::/129"};
		Error *error = subnet_parse(&parsed, texts[i]);

		assert_non_null(error);
		assert_int_equal(error_kind(error), ERROR_INVALID);
		assert_non_null(strstr(error_message(error), texts[i]));
		error_free(error);
	}
}

static void test_what_a_subnet_contains(void **state)
{
	static const struct {
		const char *subnet, *address;
		bool is_in;
	} rows[] = {{"10.1.0.9/16", "10.1.255.255", true}, {"10.1.0.0/16", "10.2.0.0", false},
		{"0.0.0.0/0", "1.2.3.4", true}, {"0.0.0.0/0", "::", false}, {"10.0.0.1/32", "10.0.0.1", true},
		{"10.0.0.1/32", "10.0.0.0", false}, {"fd00::/63", "fd00:0:0:1:8::", true},
		{"fd00::/64", "fd00:0:0:1::", false}, {"a00::/8", "10.0.0.0", false}};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		Subnet one = subnet(rows[i].subnet);
		Address other = address(rows[i].address);

		assert_int_equal(subnet_contains(&one, &other), rows[i].is_in);
	}
}

static void test_what_overlaps(void **state)
{
	static const struct {
		const char *a, *b;
		bool covers, overlaps;
	} rows[] = {{"10.0.0.0/8", "10.9.0.0/16", true, true}, {"10.9.0.0/16", "10.0.0.0/8", false, true},
		{"10.0.0.0/16", "10.1.0.0/16", false, false}, {"10.0.0.5/16", "10.0.9.9/16", true, true},
		{"0.0.0.0/0", "fd00::/8", false, false}, {"fd00::/8", "fd12::/64", true, true}};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		Subnet a = subnet(rows[i].a), b = subnet(rows[i].b);

		assert_int_equal(subnet_covers(&a, &b), rows[i].covers);
		assert_int_equal(subnets_overlap(&a, &b), rows[i].overlaps);
		assert_int_equal(subnets_overlap(&b, &a), rows[i].overlaps);
		assert_int_equal(subnet_equal(&a, &b), rows[i].covers && a.prefix == b.prefix);
	}
}

static void test_addresses_of_a_subnet(void **state)
{
	Subnet four = subnet("10.1.2.77/16"), six = subnet("fd00::77/64"), one = subnet("10.0.0.1/32");

	(void)state;
	check_address(subnet_at(&four, 0), "10.1.0.0");
	check_address(subnet_at(&four, 258), "10.1.1.2");
	check_address(subnet_at(&four, 65536 + 3), "10.1.0.3");
	check_address(subnet_last(&four), "10.1.255.255");
	check_address(subnet_at(&six, UINT64_C(0x123456789)), "fd00::1:2345:6789");
	check_address(subnet_last(&six), "fd00::ffff:ffff:ffff:ffff");
	check_address(subnet_last(&one), "10.0.0.1");
	assert_int_equal(subnet_size(&four), 65536);
	assert_int_equal(subnet_size(&one), 1);
	assert_true(subnet_size(&six) == UINT64_MAX);
	six.prefix = 65;
	assert_true(subnet_size(&six) == UINT64_C(1) << 63);
}

static void test_macs(void **state)
{
	static const char *const bad[] = {"", "02:42:ac:11:00", "02:42:ac:11:00:02:", "02:42:ac:11:00:0",
		"2:42:ac:11:0:2", "02:42:ac:11:00:0g", "0x:42:ac:11:00:02", "02 42 ac 11 00 02"};
	Address four = address("172.17.0.2"), six = address("fd00::ac11:3");
	char text[MAC_TEXT_MAX], expected[64];
	Mac mac;

	(void)state;
	check_ok(mac_parse(&mac, "02:42:AC:11-00:fE"));
	mac_format(text, &mac);
	assert_string_equal(text, "02:42:ac:11:00:fe");
	for (size_t i = 0; i < COUNT(bad); i++) {
		snprintf(expected, sizeof(expected), "\"%s\" is not a MAC address", bad[i]);
		check_invalid(mac_parse(&mac, bad[i]), expected);
	}
	check_invalid(
		mac_parse(&mac, "01:00:5e:00:00:01"), "MAC address \"01:00:5e:00:00:01\" is not that of one card");
	check_invalid(
		mac_parse(&mac, "00:00:00:00:00:00"), "MAC address \"00:00:00:00:00:00\" is not that of one card");
	mac = mac_of_address(&four);
	mac_format(text, &mac);
	assert_string_equal(text, "02:42:ac:11:00:02");
	mac = mac_of_address(&six);
	mac_format(text, &mac);
	assert_string_equal(text, "02:42:ac:11:00:03");
}

static void test_a_name_has_its_own_mac(void **state)
{
	Mac first = mac_of_name("kedge0"), again = mac_of_name("kedge0"), other = mac_of_name("kedge1");

	(void)state;
	assert_memory_equal(&first, &again, sizeof(first));
	assert_memory_not_equal(&first, &other, sizeof(first));
	assert_int_equal(first.bytes[0] & 3, 2); /* of one card, given locally */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_addresses_are_read_and_shown),
		cmocka_unit_test(test_what_is_no_address_is_refused),
		cmocka_unit_test(test_addresses_are_in_counting_order),
		cmocka_unit_test(test_loopback),
		cmocka_unit_test(test_subnets_are_shown_with_and_without_host),
		cmocka_unit_test(test_what_is_no_subnet_is_refused),
		cmocka_unit_test(test_what_a_subnet_contains),
		cmocka_unit_test(test_what_overlaps),
		cmocka_unit_test(test_addresses_of_a_subnet),
		cmocka_unit_test(test_macs),
		cmocka_unit_test(test_a_name_has_its_own_mac),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

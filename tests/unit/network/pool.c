// SPDX-License-Identifier: Apache-2.0
#include "network/pool.h"

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

static AddressPool *pool_of(const char *whole, const char *part)
{
	Subnet all = subnet(whole), range = part ? subnet(part) : all;
	AddressPool *pool;

	check_ok(address_pool_new(&pool, &all, part ? &range : NULL));
	return pool;
}

static void check_take(AddressPool *pool, const char *expected)
{
	char text[ADDRESS_TEXT_MAX];
	Address taken;

	check_ok(address_pool_take(&taken, pool));
	address_format(text, &taken);
	assert_string_equal(text, expected);
}

static void check_empty(AddressPool *pool, const char *family)
{
	char expected[96];
	Address taken;

	snprintf(expected, sizeof(expected), "no available %s addresses on this network's address pools", family);
	check_error(address_pool_take(&taken, pool), ERROR_CONFLICT, expected);
}

static void give(AddressPool *pool, const char *text)
{
	Address one = address(text);

	address_pool_give(pool, &one);
}

static void claim(AddressPool *pool, const char *text)
{
	Address one = address(text);

	check_ok(address_pool_claim(pool, &one));
}

static void test_addresses_are_given_one_after_the_other(void **state)
{
	autoptr(AddressPool) pool = pool_of("10.1.0.0/16", NULL);

	(void)state;
	claim(pool, "10.1.0.1");
	check_take(pool, "10.1.0.2");
	check_take(pool, "10.1.0.3");
	give(pool, "10.1.0.3");
	give(pool, "10.1.0.2");
	check_take(pool, "10.1.0.4"); /* those that were given back rest */
	assert_int_equal(address_pool_count(pool), 2);
}

static void test_all_of_a_subnet_are_given(void **state)
{
	autoptr(AddressPool) pool = pool_of("10.1.0.8/29", NULL);
	char expected[16];

	(void)state;
	for (int i = 9; i < 15; i++) {
		snprintf(expected, sizeof(expected), "10.1.0.%d", i);
		check_take(pool, expected);
	}
	check_empty(pool, "IPv4");
	give(pool, "10.1.0.11");
	give(pool, "10.1.0.200"); /* not its own */
	check_take(pool, "10.1.0.11");
	check_empty(pool, "IPv4");
}

static void test_a_pair_has_no_reserved_addresses(void **state)
{
	autoptr(AddressPool) pair = pool_of("10.1.0.8/31", NULL), *one = pool_of("10.1.0.8/32", NULL);

	(void)state;
	check_take(pair, "10.1.0.8");
	check_take(pair, "10.1.0.9");
	check_empty(pair, "IPv4");
	check_take(one, "10.1.0.8");
	check_empty(one, "IPv4");
}

static void test_a_range_is_given_out_and_the_rest_can_be_claimed(void **state)
{
	autoptr(AddressPool) pool = pool_of("10.1.0.0/16", "10.1.5.0/30");

	(void)state;
	claim(pool, "10.1.0.1");
	claim(pool, "10.1.5.1");
	check_take(pool, "10.1.5.0");
	check_take(pool, "10.1.5.2");
	check_take(pool, "10.1.5.3");
	check_empty(pool, "IPv4");
	claim(pool, "10.1.9.9");
}

static void test_the_last_range_of_all_ends(void **state)
{
	autoptr(AddressPool) pool = pool_of("255.255.255.252/30", NULL);

	(void)state;
	check_take(pool, "255.255.255.253");
	check_take(pool, "255.255.255.254");
	check_empty(pool, "IPv4");
}

static void test_six(void **state)
{
	autoptr(AddressPool) pool = pool_of("fd00:1::/32", NULL), *small = pool_of("fd00::/126", NULL);

	(void)state;
	check_take(pool, "fd00:1::1");
	claim(pool, "fd00:1:ffff:ffff:ffff:ffff:ffff:ffff");
	claim(pool, "fd00:1:1::2");
	check_take(pool, "fd00:1::2");
	check_take(small, "fd00::1");
	check_take(small, "fd00::2");
	check_take(small, "fd00::3");
	check_empty(small, "IPv6");
}

static void test_what_cannot_be_claimed(void **state)
{
	static const char *const used[] = {"10.1.0.0", "10.1.255.255", "10.1.0.7"}, *const outside[] = {
											    "10.2.0.1", "fd00::1"};
	autoptr(AddressPool) pool = pool_of("10.1.0.0/16", NULL);
	Subnet elsewhere = subnet("10.2.0.0/24"), whole = subnet("10.1.0.0/16");
	AddressPool *none;

	(void)state;
	claim(pool, "10.1.0.7");
	for (size_t i = 0; i < COUNT(used); i++) {
		Address one = address(used[i]);

		check_error(address_pool_claim(pool, &one), ERROR_FORBIDDEN, "Address already in use");
	}
	for (size_t i = 0; i < COUNT(outside); i++) {
		Address one = address(outside[i]);

		check_invalid(address_pool_claim(pool, &one), "Requested address is out of range");
		assert_false(address_pool_has(pool, &one));
	}
	check_invalid(address_pool_new(&none, &whole, &elsewhere), "range 10.2.0.0/24 is not within its subnet");
	check_invalid(address_pool_new(&none, &elsewhere, &whole), "range 10.1.0.0/16 is not within its subnet");
}

/* Against the plainest way to keep the same books. */
static void test_many_in_any_order(void **state)
{
	autoptr(AddressPool) pool = pool_of("10.0.0.0/22", NULL);
	Subnet all = subnet("10.0.0.0/22");
	bool used[1024] = {[0] = true, [1023] = true};
	size_t count = 0, latest = 0;
	unsigned random = 1;

	(void)state;
	for (int round = 0; round < 20000; round++) {
		random = random * 1103515245 + 12345;
		size_t n = random >> 16 & 1023;
		Address one = subnet_at(&all, n), taken;

		if (random >> 28 < 7) {
			address_pool_give(pool, &one);
			count -= used[n] && n != 0 && n != 1023;
			used[n] = n == 0 || n == 1023;
		} else if (count < 1022) {
			check_ok(address_pool_take(&taken, pool));
			do
				latest = (latest + 1) & 1023;
			while (used[latest]);
			one = subnet_at(&all, latest);
			assert_true(address_equal(&taken, &one));
			used[latest] = true;
			count++;
		}
		assert_int_equal(address_pool_count(pool), count);
	}
}

static void check_pick(const char *expected, const char *const *taken, size_t count)
{
	Subnet *subnets = mem_array(NULL, count + 1, sizeof(*subnets)), picked;
	char text[SUBNET_TEXT_MAX];

	for (size_t i = 0; i < count; i++)
		subnets[i] = subnet(taken[i]);
	check_ok(subnet_pick(&picked, AF_INET, subnet_pools_default, SUBNET_POOLS_DEFAULT, subnets, count));
	subnet_format(text, &picked);
	assert_string_equal(text, expected);
	free(subnets);
}

static void test_the_first_free_subnet_is_picked(void **state)
{
	static const char *const first[] = {"172.17.0.1/16"}, *const inner[] = {"172.17.200.0/24", "172.18.0.0/30"},
				 *const large[] = {"172.16.0.0/12"}, *const low[] = {"172.16.0.0/12", "192.168.0.0/19"},
				 *const six[] = {"fd00::/8"};

	(void)state;
	check_pick("172.17.0.0/16", NULL, 0);
	check_pick("172.18.0.0/16", first, COUNT(first));
	check_pick("172.19.0.0/16", inner, COUNT(inner));
	check_pick("192.168.0.0/20", large, COUNT(large));
	check_pick("192.168.32.0/20", low, COUNT(low));
	check_pick("172.17.0.0/16", six, COUNT(six));
}

/* Fifteen of /16 and sixteen of /20, as with Docker. */
static void test_pools_end(void **state)
{
	Subnet taken[64];
	size_t count = 0;
	Error *error;

	(void)state;
	while (!(error = subnet_pick(&taken[count], AF_INET, subnet_pools_default, SUBNET_POOLS_DEFAULT, taken, count)))
		for (size_t i = 0, here = count++; i < here; i++)
			assert_false(subnets_overlap(&taken[i], &taken[here]));
	assert_int_equal(count, 15 + 16);
	check_error(error, ERROR_NOT_FOUND,
		"could not find an available, non-overlapping IPv4 address pool among the defaults to assign to the "
		"network");
	check_error(subnet_pick(&taken[0], AF_INET6, subnet_pools_default, SUBNET_POOLS_DEFAULT, taken, 0),
		ERROR_NOT_FOUND,
		"could not find an available, non-overlapping IPv6 address pool among the defaults to assign to the "
		"network");
}

static void test_a_device_has_its_own_prefix(void **state)
{
	SubnetPool mine = subnet_pool_local("device-1", 8), again = subnet_pool_local("device-1", 8),
		   other = subnet_pool_local("device-2", 8);
	Subnet local = subnet("fd00::/8"), first, second;

	(void)state;
	assert_true(subnet_equal(&mine.base, &again.base));
	assert_false(subnets_overlap(&mine.base, &other.base));
	assert_true(subnet_covers(&local, &mine.base));
	check_ok(subnet_pick(&first, AF_INET6, &mine, 1, NULL, 0));
	check_ok(subnet_pick(&second, AF_INET6, &mine, 1, &first, 1));
	assert_int_equal(first.prefix, 64);
	assert_int_equal(second.address.bytes[7], 1);
	assert_true(subnet_covers(&mine.base, &first) && subnet_covers(&mine.base, &second));
}

static void test_pools_are_read(void **state)
{
	SubnetPool pool;

	(void)state;
	check_ok(subnet_pool_parse(&pool, "10.200.0.0/14", 24));
	assert_int_equal(pool.base.prefix, 14);
	assert_int_equal(pool.size, 24);
	check_invalid(
		subnet_pool_parse(&pool, "10.200.0.0/14", 13), "\"10.200.0.0/14\" cannot be cut into networks of /13");
	check_invalid(
		subnet_pool_parse(&pool, "10.200.0.0/14", 33), "\"10.200.0.0/14\" cannot be cut into networks of /33");
	check_invalid(subnet_pool_parse(&pool, "10.200.0/14", 24), "\"10.200.0\" is not an IP address");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_addresses_are_given_one_after_the_other),
		cmocka_unit_test(test_all_of_a_subnet_are_given),
		cmocka_unit_test(test_a_pair_has_no_reserved_addresses),
		cmocka_unit_test(test_a_range_is_given_out_and_the_rest_can_be_claimed),
		cmocka_unit_test(test_the_last_range_of_all_ends),
		cmocka_unit_test(test_six),
		cmocka_unit_test(test_what_cannot_be_claimed),
		cmocka_unit_test(test_many_in_any_order),
		cmocka_unit_test(test_the_first_free_subnet_is_picked),
		cmocka_unit_test(test_pools_end),
		cmocka_unit_test(test_a_device_has_its_own_prefix),
		cmocka_unit_test(test_pools_are_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

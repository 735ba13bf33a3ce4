// SPDX-License-Identifier: Apache-2.0
#include "network/shaping.h"

#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>

#include "check.h"
#include "network/namespace.h"

static void test_rates(void **state)
{
	static const struct {
		const char *text;
		int64_t bits;
	} rows[] = {
		{"64000", 64000},
		{"8mbit", 8000000},
		{"8M", 8000000},
		{"500k", 500000},
		{"1.5gbit", 1500000000},
		{"9000bit", 9000},
		{"1000g", 1000000000000},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		int64_t bits = 0;
		check_ok(rate_parse(&bits, rows[i].text));
		assert_int_equal(bits, rows[i].bits);
	}
}

static void test_no_rates(void **state)
{
	static const char *const wrong[] = {"", "mbit", "8mbps", "8 mbit", "-8m", "1..5m", "eight"};
	static const char *const outside[] = {"0", "7999", "1001g", "9000000000g"};
	int64_t bits = 0;

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		char message[160];
		snprintf(message, sizeof(message),
			"\"%s\" is not a rate in bits per second such as \"64000\", \"500k\" or \"8mbit\"", wrong[i]);
		check_invalid(rate_parse(&bits, wrong[i]), message);
	}
	for (size_t i = 0; i < sizeof(outside) / sizeof(outside[0]); i++) {
		char message[160];
		snprintf(message, sizeof(message), "\"%s\" is not between 8 kbit and 1000 gbit per second", outside[i]);
		check_invalid(rate_parse(&bits, outside[i]), message);
	}
	assert_int_equal(bits, 0);
}

/* ---- in the kernel ---- */

static Error *read_bucket(void *arg, const struct nlmsghdr *message)
{
	const struct nlattr *attributes[TCA_OPTIONS + 1] = {NULL}, *options[TCA_TBF_MAX + 1] = {NULL};

	netlink_attributes(attributes, TCA_OPTIONS + 1, message, sizeof(struct tcmsg));
	if (!attributes[TCA_KIND] || strcmp(mnl_attr_get_str(attributes[TCA_KIND]), "tbf") != 0)
		return NULL;
	netlink_nested(options, TCA_TBF_MAX + 1, attributes[TCA_OPTIONS]);
	const struct tc_tbf_qopt *bucket = mnl_attr_get_payload(options[TCA_TBF_PARMS]);
	*(int64_t *)arg =
		options[TCA_TBF_RATE64] ? (int64_t)mnl_attr_get_u64(options[TCA_TBF_RATE64]) : bucket->rate.rate;
	return NULL;
}

static int64_t bytes_per_second(Netlink *netlink)
{
	const struct tcmsg header = {0};
	int64_t rate = 0;

	netlink_message(netlink, RTM_GETQDISC, NLM_F_DUMP, &header, sizeof(header));
	check_ok(netlink_ask(netlink, read_bucket, &rate));
	return rate;
}

static void test_limits(void **state)
{
	autoptr(Netlink) netlink = NULL;
	autofd namespace_fd = -1;

	(void)state;
	check_ok(namespace_make(&namespace_fd));
	check_ok(netlink_open_in(&netlink, namespace_fd, NETLINK_ROUTE));
	check_ok(link_limit(netlink, "lo", 8000000));
	assert_int_equal(bytes_per_second(netlink), 1000000);
	check_ok(link_limit(netlink, "lo", INT64_C(400000000000))); /* in its place */
	assert_int_equal(bytes_per_second(netlink), INT64_C(50000000000));
	check_error(link_limit(netlink, "absent", 8000000), ERROR_NOT_FOUND, "there is no link \"absent\"");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rates),
		cmocka_unit_test(test_no_rates),
		cmocka_unit_test(test_limits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

// SPDX-License-Identifier: Apache-2.0
#include "network/shaping.h"

#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/memory.h"
#include "base/strings.h"
#include "network/links.h"

/* Below a few kilobits no packet gets through in a time that anybody waits for. */
#define RATE_MIN INT64_C(8000)
#define RATE_MAX INT64_C(1000000000000)

enum {
	BURSTS_PER_SECOND = 10, /* so much goes ahead of the rate */
	BURST_MIN = 64 << 10,   /* the largest packet that the kernel makes of what is sent */
	QUEUES_PER_SECOND = 20, /* so much waits, beside a burst */
	QUEUE_HANDLE = 0x10000, /* 1: */
	NANO_PER_BIT = 1000000000
};

/* ---- words ---- */

static const struct Unit {
	const char *suffix;
	int64_t bits;
} units[] = {
	{"", 1},
	{"bit", 1},
	{"k", 1000},
	{"kbit", 1000},
	{"m", 1000000},
	{"mbit", 1000000},
	{"g", 1000000000},
	{"gbit", 1000000000},
};

static const struct Unit *find_unit(const char *suffix)
{
	for (size_t i = 0; i < COUNT(units); i++)
		if (strcasecmp(units[i].suffix, suffix) == 0)
			return &units[i];
	return NULL;
}

static fallible refuse(const char *text)
{
	return error_new(ERROR_INVALID,
		"\"%.64s\" is not a rate in bits per second such as \"64000\", \"500k\" or \"8mbit\"", text);
}

fallible rate_parse(int64_t *ret_bits, const char *text)
{
	size_t length = strspn(text, "0123456789.");
	const struct Unit *unit = find_unit(text + length);
	autofree char *number = mem_strndup(text, length);
	int64_t nano = 0;
	Error *error = unit ? string_to_nano(&nano, number) : NULL;

	if (!unit || error) {
		error_free(error); /* told as a whole */
		return refuse(text);
	}
	double bits = (double)nano * (double)unit->bits / NANO_PER_BIT;
	if (bits < (double)RATE_MIN || bits > (double)RATE_MAX)
		return error_new(ERROR_INVALID, "\"%.64s\" is not between 8 kbit and 1000 gbit per second", text);
	*ret_bits = (int64_t)bits;
	return NULL;
}

/* ---- the bucket ---- */

static uint32_t at_most_32_bits(uint64_t number)
{
	return number > UINT32_MAX ? UINT32_MAX : (uint32_t)number;
}

static void put_bucket(struct nlmsghdr *message, uint64_t bytes_per_second)
{
	uint64_t tenth = bytes_per_second / BURSTS_PER_SECOND;
	uint32_t burst = at_most_32_bits(tenth > BURST_MIN ? tenth : BURST_MIN);
	const struct tc_tbf_qopt bucket = {
		.rate = {.linklayer = TC_LINKLAYER_ETHERNET, .rate = at_most_32_bits(bytes_per_second)},
		.limit = at_most_32_bits(bytes_per_second / QUEUES_PER_SECOND + burst),
	};
	struct nlattr *options;

	mnl_attr_put_strz(message, TCA_KIND, "tbf");
	options = mnl_attr_nest_start(message, TCA_OPTIONS);
	mnl_attr_put(message, TCA_TBF_PARMS, sizeof(bucket), &bucket);
	mnl_attr_put_u32(message, TCA_TBF_BURST, burst);
	if (bytes_per_second > UINT32_MAX)
		mnl_attr_put_u64(message, TCA_TBF_RATE64, bytes_per_second);
	mnl_attr_nest_end(message, options);
}

fallible link_limit(Netlink *netlink, const char *name, int64_t bits_per_second)
{
	struct tcmsg header = {.tcm_parent = TC_H_ROOT, .tcm_handle = QUEUE_HANDLE};

	TRY(link_index(&header.tcm_ifindex, netlink, name));
	if (!header.tcm_ifindex)
		return error_new(ERROR_NOT_FOUND, "there is no link \"%s\"", name);
	put_bucket(netlink_message(netlink, RTM_NEWQDISC, NLM_F_CREATE | NLM_F_REPLACE, &header, sizeof(header)),
		(uint64_t)bits_per_second / 8);
	TRY_WRAP(netlink_send(netlink), "could not limit what leaves by \"%s\"", name);
	return NULL;
}

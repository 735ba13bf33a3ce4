// SPDX-License-Identifier: Apache-2.0
#include "network/conntrack.h"

#include <errno.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <string.h>
#include <sys/resource.h>

#include "base/aside.h"
#include "base/clock.h"
#include "base/files.h"
#include "base/memory.h"
#include "network/nfnetlink.h"

#include <linux/netfilter/nfnetlink_conntrack.h>

/* Many containers end, or begin, together. A client of a port that was just published may wait for an answer; nobody
 * waits for one of a container that has ended. */
#define PAUSE_PORT (20 * NANOS_PER_MILLI)
#define PAUSE_ADDRESS (500 * NANOS_PER_MILLI)

enum {
	WALKS_MAX = 4, /* more wishes than that are looked for in one walk that shows us every flow */
	/* CTA_FILTER_ORIG_FLAGS, _REPLY_FLAGS: what of a tuple counts (net/netfilter/nf_internals.h of the kernel) */
	FILTER_SOURCE = 1 << 0,
	FILTER_PROTOCOL = 1 << 3,
	FILTER_DESTINATION_PORT = 1 << 5
};

/* Of two kinds: flows led to `to` (port 0), or flows to a port that are not led to `to`. */
typedef struct Wish {
	int protocol;
	Address host; /* family 0: any of ours */
	uint16_t port;
	Address to;
} Wish;

struct Conntrack {
	Loop *loop;
	Source *timer;
	Aside *aside;
	Wish *wishes;
	size_t count;
	bool is_urgent; /* the timer runs for a port */
};

/* ---- one flow ---- */

typedef struct Tuple {
	Address source, destination;
	int protocol;
	uint16_t destination_port;
} Tuple;

static int keep_attribute(const struct nlattr *attribute, void *arg)
{
	const struct nlattr **attributes = arg;
	uint16_t type = mnl_attr_get_type(attribute);

	if (type <= CTA_MAX)
		attributes[type] = attribute;
	return MNL_CB_OK;
}

static void read_address(Address *ret, const struct nlattr *v4, const struct nlattr *v6)
{
	const struct nlattr *attribute = v6 ? v6 : v4;
	int family = v6 ? AF_INET6 : AF_INET;

	if (!attribute || mnl_attr_get_payload_len(attribute) != address_length(family))
		return;
	ret->family = family;
	memcpy(ret->bytes, mnl_attr_get_payload(attribute), address_length(family));
}

static void read_tuple(Tuple *ret, const struct nlattr *nest)
{
	const struct nlattr *parts[CTA_MAX + 1] = {0}, *ip[CTA_MAX + 1] = {0}, *protocol[CTA_MAX + 1] = {0};

	*ret = (Tuple){0};
	if (!nest)
		return;
	mnl_attr_parse_nested(nest, keep_attribute, parts);
	if (parts[CTA_TUPLE_IP])
		mnl_attr_parse_nested(parts[CTA_TUPLE_IP], keep_attribute, ip);
	if (parts[CTA_TUPLE_PROTO])
		mnl_attr_parse_nested(parts[CTA_TUPLE_PROTO], keep_attribute, protocol);
	read_address(&ret->source, ip[CTA_IP_V4_SRC], ip[CTA_IP_V6_SRC]);
	read_address(&ret->destination, ip[CTA_IP_V4_DST], ip[CTA_IP_V6_DST]);
	if (protocol[CTA_PROTO_NUM])
		ret->protocol = mnl_attr_get_u8(protocol[CTA_PROTO_NUM]);
	if (protocol[CTA_PROTO_DST_PORT])
		ret->destination_port = ntohs(mnl_attr_get_u16(protocol[CTA_PROTO_DST_PORT]));
}

/* ---- whether it is meant ---- */

typedef struct Walk {
	const Wish *wishes;
	size_t count;
	struct ifaddrs *addresses; /* of the host */
	Messages orders;           /* to forget */
} Walk;

static bool is_ours(const Walk *walk, const Address *address)
{
	Address own;

	if (address_is_loopback(address))
		return true;
	for (const struct ifaddrs *at = walk->addresses; at; at = at->ifa_next) {
		if (!at->ifa_addr || at->ifa_addr->sa_family != address->family)
			continue;
		own = (Address){.family = address->family};
		memcpy(own.bytes,
			own.family == AF_INET ? (const void *)&((struct sockaddr_in *)(void *)at->ifa_addr)->sin_addr
					      : (const void *)&((struct sockaddr_in6 *)(void *)at->ifa_addr)->sin6_addr,
			address_length(own.family));
		if (address_equal(&own, address))
			return true;
	}
	return false;
}

/* A connection to the host itself, which is not led anywhere, may still be alive: without its flow the kernel would
 * take its next packet for a new one, and lead that. */
static bool is_meant(const Walk *walk, const Wish *wish, const Tuple *original, const Tuple *reply)
{
	if (!wish->port)
		return address_equal(&reply->source, &wish->to);
	if (original->protocol != wish->protocol || original->destination_port != wish->port ||
		original->destination.family != wish->to.family || address_equal(&reply->source, &wish->to))
		return false;
	if (original->protocol != IPPROTO_UDP && address_equal(&reply->source, &original->destination))
		return false;
	return wish->host.family ? address_equal(&original->destination, &wish->host)
				 : is_ours(walk, &original->destination);
}

static void copy_attribute(struct nlmsghdr *message, const struct nlattr *attribute)
{
	mnl_attr_put(
		message, attribute->nla_type, mnl_attr_get_payload_len(attribute), mnl_attr_get_payload(attribute));
}

static void forget(Walk *walk, int family, const struct nlattr *const *attributes)
{
	struct nlmsghdr *message = messages_add(&walk->orders, NFNL_SUBSYS_CTNETLINK, IPCTNL_MSG_CT_DELETE, 0, family);

	copy_attribute(message, attributes[CTA_TUPLE_ORIG]);
	if (attributes[CTA_ZONE])
		copy_attribute(message, attributes[CTA_ZONE]);
	if (attributes[CTA_ID])
		copy_attribute(message, attributes[CTA_ID]);
}

static void look_at_flow(void *arg, const struct nlmsghdr *answer)
{
	Walk *walk = arg;
	const struct nlattr *attributes[CTA_MAX + 1] = {0};
	Tuple original, reply;

	mnl_attr_parse(answer, sizeof(struct nfgenmsg), keep_attribute, attributes);
	read_tuple(&original, attributes[CTA_TUPLE_ORIG]);
	read_tuple(&reply, attributes[CTA_TUPLE_REPLY]);
	for (size_t i = 0; i < walk->count; i++) {
		if (!is_meant(walk, &walk->wishes[i], &original, &reply))
			continue;
		forget(walk, original.source.family, attributes);
		return;
	}
}

/* ---- walks ---- */

static void put_filter(struct nlmsghdr *message, uint32_t original, uint32_t reply)
{
	struct nlattr *filter = mnl_attr_nest_start(message, CTA_FILTER);

	mnl_attr_put_u32(message, CTA_FILTER_ORIG_FLAGS, original);
	mnl_attr_put_u32(message, CTA_FILTER_REPLY_FLAGS, reply);
	mnl_attr_nest_end(message, filter);
}

static void put_port(struct nlmsghdr *message, const Wish *wish)
{
	struct nlattr *tuple = mnl_attr_nest_start(message, CTA_TUPLE_ORIG);
	struct nlattr *protocol = mnl_attr_nest_start(message, CTA_TUPLE_PROTO);

	mnl_attr_put_u8(message, CTA_PROTO_NUM, (uint8_t)wish->protocol);
	mnl_attr_put_u16(message, CTA_PROTO_DST_PORT, htons(wish->port));
	mnl_attr_nest_end(message, protocol);
	mnl_attr_nest_end(message, tuple);
	put_filter(message, FILTER_PROTOCOL | FILTER_DESTINATION_PORT, 0);
}

static void put_target(struct nlmsghdr *message, const Wish *wish)
{
	struct nlattr *tuple = mnl_attr_nest_start(message, CTA_TUPLE_REPLY);
	struct nlattr *ip = mnl_attr_nest_start(message, CTA_TUPLE_IP);

	mnl_attr_put(message, wish->to.family == AF_INET6 ? CTA_IP_V6_SRC : CTA_IP_V4_SRC,
		address_length(wish->to.family), wish->to.bytes);
	mnl_attr_nest_end(message, ip);
	mnl_attr_nest_end(message, tuple);
	put_filter(message, 0, FILTER_SOURCE);
}

/* wish: for the kernel to show us only what may be meant; NULL: all. */
static fallible walk_flows(Nfnetlink *netlink, Walk *walk, const Wish *wish, int *ret_errno)
{
	autoclear(Messages) request = {0};
	struct nlmsghdr *message = messages_add(
		&request, NFNL_SUBSYS_CTNETLINK, IPCTNL_MSG_CT_GET, NLM_F_DUMP, wish ? wish->to.family : AF_UNSPEC);

	if (wish && wish->port)
		put_port(message, wish);
	else if (wish)
		put_target(message, wish);
	return nfnetlink_ask(netlink, &request, look_at_flow, walk, ret_errno);
}

/* Kernels before 5.8 know no such filters. */
static fallible walk_for_each(Nfnetlink *netlink, Walk *walk, int *ret_errno)
{
	*ret_errno = 0;
	for (size_t i = 0; i < walk->count && !*ret_errno; i++)
		TRY(walk_flows(netlink, walk, &walk->wishes[i], ret_errno));
	return NULL;
}

static fallible walk_all(Nfnetlink *netlink, Walk *walk)
{
	int problem = EOPNOTSUPP;

	if (walk->count <= WALKS_MAX)
		TRY(walk_for_each(netlink, walk, &problem));
	if (problem)
		TRY(walk_flows(netlink, walk, NULL, &problem));
	return problem ? error_errno(problem, "could not read the kernel's flows") : NULL;
}

static fallible fulfil(const Wish *wishes, size_t count, size_t *ret_forgotten)
{
	autoptr(Nfnetlink) netlink = NULL;
	Walk walk = {wishes, count, NULL, {{0}, 0, 0}};
	Error *error;

	TRY(nfnetlink_open(&netlink));
	if (getifaddrs(&walk.addresses) < 0)
		return error_errno(errno, "could not read the host's addresses");
	error = walk_all(netlink, &walk);
	if (!error && walk.orders.count)
		error = nfnetlink_tell(netlink, &walk.orders);
	*ret_forgotten = walk.orders.count;
	messages_clear(&walk.orders);
	freeifaddrs(walk.addresses);
	return error;
}

/* ---- when ---- */

/* A file of the kernel, read anew each time: the module may come later. */
static bool has_flows(void)
{
	autofree char *text = NULL;
	Error *error = file_read(&text, NULL, AT_FDCWD, "/proc/sys/net/netfilter/nf_conntrack_count", 64);

	if (error) {
		error_free(error); /* no module, no flows */
		return false;
	}
	return strcmp(text, "0\n") != 0;
}

/* It is in nobody's way. */
static Error *work_aside(const void *arg)
{
	const Conntrack *conntrack = arg;
	size_t forgotten;

	(void)setpriority(PRIO_PROCESS, 0, PRIO_MAX - 1);
	return fulfil(conntrack->wishes, conntrack->count, &forgotten);
}

static void drop_wishes(Conntrack *conntrack)
{
	free(conntrack->wishes);
	conntrack->wishes = NULL;
	conntrack->count = 0;
	conntrack->is_urgent = false;
}

static void on_done(void *arg, Error *take_error)
{
	Conntrack *conntrack = arg;

	if (take_error)
		error_log(take_error, "could not forget flows of ports");
	conntrack->aside = aside_free(conntrack->aside);
	if (conntrack->count)
		source_rearm(conntrack->timer, 0);
}

static void on_time(void *arg)
{
	Conntrack *conntrack = arg;
	Error *error = NULL;

	if (conntrack->aside) /* it will look again */
		return;
	if (has_flows())
		error = aside_start(&conntrack->aside, conntrack->loop, work_aside, conntrack, -1, on_done, conntrack);
	if (error)
		error_log(error, "could not forget flows of ports");
	drop_wishes(conntrack); /* the child has its copy */
}

static void wish_for(Conntrack *conntrack, const Wish *wish)
{
	bool is_urgent = wish->port != 0;

	conntrack->wishes = mem_array(conntrack->wishes, conntrack->count + 1, sizeof *wish);
	conntrack->wishes[conntrack->count++] = *wish;
	if (conntrack->count == 1 || is_urgent > conntrack->is_urgent)
		source_rearm(conntrack->timer, is_urgent ? PAUSE_PORT : PAUSE_ADDRESS);
	conntrack->is_urgent |= is_urgent;
}

/* ---- the module ---- */

Error *conntrack_open(Conntrack **ret, Loop *loop)
{
	autoptr(Conntrack) conntrack = mem_new(Conntrack);

	conntrack->loop = loop;
	TRY(loop_timer(&conntrack->timer, loop, -1, on_time, conntrack));
	*ret = take(conntrack);
	return NULL;
}

Conntrack *conntrack_close(Conntrack *conntrack)
{
	if (!conntrack)
		return NULL;
	aside_free(conntrack->aside);
	source_free(conntrack->timer);
	drop_wishes(conntrack);
	free(conntrack);
	return NULL;
}

void conntrack_forget_port(Conntrack *conntrack, int protocol, const Address *host, uint16_t port, const Address *to)
{
	wish_for(conntrack, &(Wish){protocol, *host, port, *to});
}

void conntrack_forget_address(Conntrack *conntrack, const Address *address)
{
	wish_for(conntrack, &(Wish){.to = *address});
}

Error *conntrack_flush(Conntrack *conntrack, size_t *ret_forgotten)
{
	size_t forgotten = 0;
	Error *error = conntrack->count ? fulfil(conntrack->wishes, conntrack->count, &forgotten) : NULL;

	drop_wishes(conntrack);
	source_rearm(conntrack->timer, -1);
	if (!error && ret_forgotten)
		*ret_forgotten = forgotten;
	return error;
}

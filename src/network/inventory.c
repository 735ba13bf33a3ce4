// SPDX-License-Identifier: Apache-2.0
/* What is there: routes, addresses, and counters of links. */
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/memory.h"
#include "base/strings.h"
#include "network/linkparts.h"

enum { ROUTES_MAX = 100000, OWN_LINKS_MAX = 4096, TRIES_MAX = 10 };

typedef struct Routes {
	Subnet *items;
	size_t count, capacity;
	const char *const *own;
	int own_links[OWN_LINKS_MAX]; /* indexes */
	size_t own_count;
} Routes;

static bool is_one_of(const char *name, const char *const *names)
{
	for (; *names; names++)
		if (string_equal(name, *names))
			return true;
	return false;
}

static Error *note_own_link(void *arg, const struct nlmsghdr *message)
{
	const struct ifinfomsg *header = mnl_nlmsg_get_payload(message);
	const struct nlattr *parts[IFLA_MAX + 1];
	Routes *routes = arg;

	netlink_attributes(parts, COUNT(parts), message, sizeof(*header));
	if (parts[IFLA_IFNAME] && is_one_of(mnl_attr_get_str(parts[IFLA_IFNAME]), routes->own) &&
		routes->own_count < OWN_LINKS_MAX)
		routes->own_links[routes->own_count++] = header->ifi_index;
	return NULL;
}

static bool is_own(const Routes *routes, const struct nlattr *link)
{
	for (size_t i = 0; link && i < routes->own_count; i++)
		if ((int)mnl_attr_get_u32(link) == routes->own_links[i])
			return true;
	return false;
}

static void add_route(Routes *routes, const struct rtmsg *header, const struct nlattr *destination)
{
	Subnet *route;

	if (routes->count == routes->capacity) {
		routes->capacity = routes->capacity ? routes->capacity * 2 : 16;
		routes->items = mem_array(routes->items, routes->capacity, sizeof(*routes->items));
	}
	route = &routes->items[routes->count++];
	*route = (Subnet){.address.family = header->rtm_family, .prefix = header->rtm_dst_len};
	memcpy(route->address.bytes, mnl_attr_get_payload(destination), address_length(header->rtm_family));
}

static Error *read_route(void *arg, const struct nlmsghdr *message)
{
	const struct rtmsg *header = mnl_nlmsg_get_payload(message);
	const struct nlattr *parts[RTA_MAX + 1], *destination;
	size_t length = address_length(header->rtm_family);
	Routes *routes = arg;

	netlink_attributes(parts, COUNT(parts), message, sizeof(*header));
	destination = parts[RTA_DST];
	if (header->rtm_type != RTN_UNICAST || header->rtm_flags & RTM_F_CLONED || !header->rtm_dst_len || !length)
		return NULL;
	if (!destination || mnl_attr_get_payload_len(destination) != length || is_own(routes, parts[RTA_OIF]))
		return NULL;
	if (routes->count == ROUTES_MAX)
		return error_new(ERROR_TOO_LARGE, "the host has more than %d routes", ROUTES_MAX);
	add_route(routes, header, destination);
	return NULL;
}

/* Again while they change: one that is missed may be overlapped. Who changes routes without end gets what there is. */
static fallible ask_routes(Netlink *host, int family, Routes *routes)
{
	const struct rtmsg any = {.rtm_family = (uint8_t)family};
	size_t before = routes->count;
	int tries = 0;

	do {
		routes->count = before;
		netlink_message(host, RTM_GETROUTE, NLM_F_DUMP, &any, sizeof(any));
		TRY(netlink_ask(host, read_route, routes));
	} while (netlink_is_torn(host) && ++tries < TRIES_MAX);
	return NULL;
}

static fallible ask_all(Netlink *host, Routes *routes)
{
	const struct ifinfomsg any = {0};

	netlink_message(host, RTM_GETLINK, NLM_F_DUMP, &any, sizeof(any));
	TRY(netlink_ask(host, note_own_link, routes));
	TRY(ask_routes(host, AF_INET, routes));
	return ask_routes(host, AF_INET6, routes);
}

fallible routes_list(Subnet **ret, size_t *ret_count, Netlink *host, const char *const *own)
{
	Routes routes = {.own = own};
	Error *error = ask_all(host, &routes);

	if (error) {
		free(routes.items);
		return error_wrap(error, "could not read the host's routes");
	}
	*ret = routes.items;
	*ret_count = routes.count;
	return NULL;
}

/* ---- addresses ---- */

typedef struct Addresses {
	StringList *list;
	unsigned index; /* of the link */
} Addresses;

static Error *read_address(void *arg, const struct nlmsghdr *message)
{
	const struct ifaddrmsg *header = mnl_nlmsg_get_payload(message);
	const struct nlattr *parts[IFA_MAX + 1], *own;
	const Addresses *addresses = arg;
	Subnet subnet = {.address.family = header->ifa_family, .prefix = header->ifa_prefixlen};
	size_t length = address_length(header->ifa_family);
	char text[SUBNET_TEXT_MAX];

	netlink_attributes(parts, COUNT(parts), message, sizeof(*header));
	own = parts[IFA_LOCAL] ? parts[IFA_LOCAL] : parts[IFA_ADDRESS];
	if (header->ifa_index != addresses->index || !own || !length || mnl_attr_get_payload_len(own) != length)
		return NULL;
	memcpy(subnet.address.bytes, mnl_attr_get_payload(own), length);
	subnet_format_with_host(text, &subnet);
	strings_add(addresses->list, text);
	return NULL;
}

fallible addresses_list(StringList *ret, Netlink *host, const char *link)
{
	const struct ifaddrmsg any = {0};
	Addresses addresses = {.list = ret};
	int index;

	TRY(link_index(&index, host, link));
	addresses.index = (unsigned)index;
	netlink_message(host, RTM_GETADDR, NLM_F_DUMP, &any, sizeof(any));
	TRY_WRAP(netlink_ask(host, read_address, &addresses), "could not list the addresses of \"%s\"", link);
	return NULL;
}

/* ---- counters ---- */

typedef struct Counting {
	void (*visit)(void *arg, const LinkCounters *counters);
	void *arg;
} Counting;

static Error *read_counters(void *arg, const struct nlmsghdr *message)
{
	const struct ifinfomsg *header = mnl_nlmsg_get_payload(message);
	const struct nlattr *parts[IFLA_MAX + 1];
	const Counting *counting = arg;
	struct rtnl_link_stats64 stats = {0};
	LinkCounters counters = {.name = ""};
	size_t length;

	netlink_attributes(parts, COUNT(parts), message, sizeof(*header));
	if (header->ifi_flags & IFF_LOOPBACK || !parts[IFLA_IFNAME] || !parts[IFLA_STATS64])
		return NULL;
	length = mnl_attr_get_payload_len(parts[IFLA_STATS64]); /* an older kernel has fewer, a newer one more */
	memcpy(&stats, mnl_attr_get_payload(parts[IFLA_STATS64]), length < sizeof(stats) ? length : sizeof(stats));
	strncpy(counters.name, mnl_attr_get_str(parts[IFLA_IFNAME]), sizeof(counters.name) - 1);
	counters.rx_bytes = stats.rx_bytes, counters.tx_bytes = stats.tx_bytes;
	counters.rx_packets = stats.rx_packets, counters.tx_packets = stats.tx_packets;
	counters.rx_errors = stats.rx_errors, counters.tx_errors = stats.tx_errors;
	counters.rx_dropped = stats.rx_dropped, counters.tx_dropped = stats.tx_dropped;
	counting->visit(counting->arg, &counters);
	return NULL;
}

fallible link_counters_each(Netlink *netlink, void (*visit)(void *arg, const LinkCounters *counters), void *arg)
{
	const struct ifinfomsg any = {0};
	Counting counting = {visit, arg};

	netlink_message(netlink, RTM_GETLINK, NLM_F_DUMP, &any, sizeof(any));
	TRY_WRAP(netlink_ask(netlink, read_counters, &counting), "could not read the counters of links");
	return NULL;
}

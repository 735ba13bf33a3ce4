// SPDX-License-Identifier: Apache-2.0
/* One end on the host, one in the container. */
#include <errno.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <string.h>
#include <sys/socket.h>

#include "base/memory.h"
#include "base/strings.h"
#include "network/linkparts.h"
#include "network/neighbours.h"

/* ---- the link ---- */

/* What is said of the container's end: its name and place, MAC, MTU. */
static void put_inner(struct nlmsghdr *message, const PlugSpec *spec, int mtu)
{
	mnl_attr_put_strz(message, IFLA_IFNAME, spec->name);
	mnl_attr_put_u32(message, IFLA_NET_NS_FD, (uint32_t)spec->namespace_fd);
	if (!mac_is_zero(&spec->mac))
		mnl_attr_put(message, IFLA_ADDRESS, sizeof(spec->mac), &spec->mac);
	if (mtu)
		mnl_attr_put_u32(message, IFLA_MTU, (uint32_t)mtu);
}

static void put_peer(struct nlmsghdr *message, const PlugSpec *spec, int mtu)
{
	struct nlattr *data = mnl_attr_nest_start(message, IFLA_INFO_DATA);
	struct nlattr *peer = mnl_attr_nest_start(message, VETH_INFO_PEER);

	mnl_nlmsg_put_extra_header(message, sizeof(struct ifinfomsg));
	put_inner(message, spec, mtu);
	mnl_attr_nest_end(message, peer);
	mnl_attr_nest_end(message, data);
}

static void put_veth(struct nlmsghdr *message, const PlugSpec *spec, const LinkState *bridge)
{
	int mtu = spec->mtu ? spec->mtu : bridge->mtu;
	struct nlattr *info;

	mnl_attr_put_strz(message, IFLA_IFNAME, spec->host_name);
	mnl_attr_put_u32(message, IFLA_MASTER, (uint32_t)bridge->index);
	mnl_attr_put_u32(message, IFLA_MTU, (uint32_t)mtu);
	info = mnl_attr_nest_start(message, IFLA_LINKINFO);
	mnl_attr_put_strz(message, IFLA_INFO_KIND, "veth");
	put_peer(message, spec, mtu);
	mnl_attr_nest_end(message, info);
}

/* In the bridge, without addresses of its own. */
static fallible set_up_port(Netlink *host, const PlugSpec *spec)
{
	struct nlmsghdr *message;

	link_silence(host, spec->host_name);
	message = link_message(host, 0, 0, false);
	mnl_attr_put_strz(message, IFLA_IFNAME, spec->host_name);
	bridge_port_put(message, spec->port);
	message = link_message(host, 0, 0, true);
	mnl_attr_put_strz(message, IFLA_IFNAME, spec->host_name);
	return netlink_send(host);
}

typedef struct Mode {
	PlugKind kind;
	const char *name;
	uint32_t number;
} Mode;

static const Mode modes[] = {
	{PLUG_MACVLAN, "bridge", MACVLAN_MODE_BRIDGE},
	{PLUG_MACVLAN, "private", MACVLAN_MODE_PRIVATE},
	{PLUG_MACVLAN, "vepa", MACVLAN_MODE_VEPA},
	{PLUG_MACVLAN, "passthru", MACVLAN_MODE_PASSTHRU},
	{PLUG_IPVLAN, "l2", IPVLAN_MODE_L2},
	{PLUG_IPVLAN, "l3", IPVLAN_MODE_L3},
	{PLUG_IPVLAN, "l3s", IPVLAN_MODE_L3S},
};

static fallible find_mode(const Mode **ret, PlugKind kind, const char *name)
{
	for (size_t i = 0; i < COUNT(modes); i++)
		if (modes[i].kind == kind && (!name || string_equal(modes[i].name, name))) {
			*ret = &modes[i];
			return NULL;
		}
	return error_new(ERROR_INVALID, "there is no %s mode \"%s\"", kind == PLUG_IPVLAN ? "ipvlan" : "macvlan", name);
}

static void put_on_card(struct nlmsghdr *message, const PlugSpec *spec, int parent, const Mode *mode)
{
	struct nlattr *info, *data;

	mnl_attr_put_u32(message, IFLA_LINK, (uint32_t)parent);
	put_inner(message, spec, spec->mtu);
	info = mnl_attr_nest_start(message, IFLA_LINKINFO);
	mnl_attr_put_strz(message, IFLA_INFO_KIND, mode->kind == PLUG_IPVLAN ? "ipvlan" : "macvlan");
	data = mnl_attr_nest_start(message, IFLA_INFO_DATA);
	if (mode->kind == PLUG_IPVLAN)
		mnl_attr_put_u16(message, IFLA_IPVLAN_MODE, (uint16_t)mode->number);
	else
		mnl_attr_put_u32(message, IFLA_MACVLAN_MODE, mode->number);
	mnl_attr_nest_end(message, data);
	mnl_attr_nest_end(message, info);
}

static fallible make_on_card(Netlink *host, const PlugSpec *spec)
{
	const Mode *mode = NULL;
	int parent = 0;

	TRY(find_mode(&mode, spec->kind, spec->mode));
	TRY(link_need_parent(host, spec->parent, &parent, NULL));
	put_on_card(link_message(host, NLM_F_CREATE | NLM_F_EXCL, 0, false), spec, parent, mode);
	return netlink_send(host);
}

static fallible make_veth(LinkState *ret_bridge, Netlink *host, const PlugSpec *spec)
{
	LinkState bridge;

	TRY(link_look(&bridge, host, spec->parent));
	if (!bridge.index)
		return error_new(ERROR_NOT_FOUND, "there is no bridge \"%s\"", spec->parent);
	put_veth(link_message(host, NLM_F_CREATE | NLM_F_EXCL, 0, false), spec, &bridge);
	TRY(netlink_send(host));
	*ret_bridge = bridge;
	return NULL;
}

/* ---- what is set in the container ---- */

static bool reaches(const PlugSpec *spec, const Address *gateway)
{
	for (size_t i = 0; i < spec->address_count; i++)
		if (subnet_contains(&spec->addresses[i], gateway))
			return true;
	return false;
}

/* gateway NULL: everybody is on the link itself. */
static struct nlmsghdr *put_default_route(
	Netlink *inner, uint16_t type, uint16_t flags, int family, int index, const Address *gateway, bool is_onlink)
{
	const struct rtmsg header = {.rtm_family = (uint8_t)family,
		.rtm_table = RT_TABLE_MAIN,
		.rtm_protocol = type == RTM_NEWROUTE ? RTPROT_BOOT : RTPROT_UNSPEC,
		.rtm_scope = type == RTM_DELROUTE ? RT_SCOPE_NOWHERE
			     : gateway            ? RT_SCOPE_UNIVERSE
						  : RT_SCOPE_LINK,
		.rtm_type = type == RTM_NEWROUTE ? RTN_UNICAST : RTN_UNSPEC,
		.rtm_flags = is_onlink ? RTNH_F_ONLINK : 0};
	struct nlmsghdr *message = netlink_message(inner, type, flags, &header, sizeof(header));

	if (gateway)
		mnl_attr_put(message, RTA_GATEWAY, address_length(family), gateway->bytes);
	mnl_attr_put_u32(message, RTA_OIF, (uint32_t)index);
	return message;
}

/* A container on ipvlan in l3 mode has no neighbours: all is on the link. */
static bool routes_by_link(const PlugSpec *spec)
{
	return spec->kind == PLUG_IPVLAN && spec->mode && string_starts(spec->mode, "l3");
}

static void put_routes(Netlink *inner, const PlugSpec *spec, int index)
{
	for (size_t i = 0; i < COUNT(spec->gateways); i++) {
		const Address *gateway = &spec->gateways[i];

		if (gateway->family)
			put_default_route(inner, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE, gateway->family, index,
				gateway, !reaches(spec, gateway));
	}
	for (size_t i = 0; routes_by_link(spec) && i < spec->address_count; i++)
		put_default_route(inner, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE, spec->addresses[i].address.family,
			index, NULL, false);
}

static fallible set_up_inner(LinkState *ret_state, Netlink *inner, const PlugSpec *spec)
{
	LinkState state;

	TRY(link_look(&state, inner, spec->name));
	if (!spec->has_ipv6)
		link_silence(inner, spec->name);
	for (size_t i = 0; i < spec->address_count; i++)
		link_put_address(inner, state.index, &spec->addresses[i]);
	link_message(inner, 0, state.index, true);
	put_routes(inner, spec, state.index);
	TRY(netlink_send(inner));
	*ret_state = state;
	return NULL;
}

/* ---- both ---- */

static fallible introduce(
	Netlink *host, Netlink *inner, const PlugSpec *spec, const LinkState *bridge, const LinkState *state)
{
	for (size_t i = 0; i < spec->address_count; i++)
		neighbours_tell(host, bridge->index, &spec->addresses[i].address, 1, &state->mac);
	neighbours_tell_bridge(host, state->other, &state->mac);
	TRY(netlink_send(host));
	if (spec->meets_bridge)
		neighbours_tell(inner, state->index, spec->gateways, COUNT(spec->gateways), &bridge->mac);
	return netlink_send(inner);
}

/* Behind a link that was made: either all of it, or it goes again. */
static fallible set_up(LinkState *ret_state, Netlink *host, Netlink *inner, const PlugSpec *spec)
{
	Error *error = spec->kind == PLUG_VETH ? set_up_port(host, spec) : NULL;

	if (!error)
		error = set_up_inner(ret_state, inner, spec);
	if (error)
		error_free(link_remove(
			inner, spec->name)); /* the first error says why; with its namespace it goes anyway */
	return error;
}

static fallible plug(Netlink *host, const PlugSpec *spec, Mac *ret_mac)
{
	autoptr(Netlink) inner = NULL;
	LinkState bridge = {0}, state = {0};

	TRY(netlink_open_in(&inner, spec->namespace_fd, NETLINK_ROUTE));
	TRY(spec->kind == PLUG_VETH ? make_veth(&bridge, host, spec) : make_on_card(host, spec));
	TRY(set_up(&state, host, inner, spec));
	if (spec->kind == PLUG_VETH)
		error_free(introduce(host, inner, spec, &bridge, &state)); /* they ask for each other, then */
	if (ret_mac)
		*ret_mac = state.mac;
	return NULL;
}

fallible link_plug(Netlink *host, const PlugSpec *spec, Mac *ret_mac)
{
	Error *error = plug(host, spec, ret_mac);

	if (error && spec->kind != PLUG_VETH && error_number(error) == EOPNOTSUPP)
		error = error_hint(
			error, spec->kind == PLUG_IPVLAN ? "this kernel has no ipvlan" : "this kernel has no macvlan");
	TRY_WRAP(error, "could not plug \"%s\" into \"%s\"", spec->name, spec->parent);
	return NULL;
}

static fallible set_gateways(Netlink *inner, int index, const Address gateways[2])
{
	static const int families[] = {AF_INET, AF_INET6};

	for (size_t i = 0; i < COUNT(families); i++) {
		const Address *gateway = gateways[0].family == families[i]   ? &gateways[0]
					 : gateways[1].family == families[i] ? &gateways[1]
									     : NULL;

		if (families[i] == AF_INET6 && !host_has_ipv6())
			continue; /* nor has it routes to be taken away */
		put_default_route(inner, gateway ? RTM_NEWROUTE : RTM_DELROUTE,
			gateway ? NLM_F_CREATE | NLM_F_REPLACE : 0, families[i], index, gateway, gateway != NULL);
		netlink_tolerate(inner, gateway ? 0 : ESRCH);
	}
	return netlink_send(inner);
}

fallible link_set_gateways(int namespace_fd, const char *name, const Address gateways[2])
{
	autoptr(Netlink) inner = NULL;
	int index;

	TRY(netlink_open_in(&inner, namespace_fd, NETLINK_ROUTE));
	TRY(link_index(&index, inner, name));
	if (!index)
		return error_new(ERROR_NOT_FOUND, "there is no link \"%s\"", name);
	TRY_WRAP(set_gateways(inner, index, gateways), "could not set the default route over \"%s\"", name);
	return NULL;
}

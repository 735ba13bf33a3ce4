// SPDX-License-Identifier: Apache-2.0
#include "network/links.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/socket.h>

#include "base/files.h"
#include "base/memory.h"
#include "base/strings.h"
#include "network/linkparts.h"

/* Of bridges that are ours to remove: the link's alias, which ip(8) shows. */
#define OURS "kedge"

enum { SWITCH_MAX = 64 };

/* ---- what a link is ---- */

static Error *read_link(void *arg, const struct nlmsghdr *message)
{
	const struct ifinfomsg *header = mnl_nlmsg_get_payload(message);
	const struct nlattr *parts[IFLA_MAX + 1], *info[IFLA_INFO_MAX + 1] = {NULL};
	LinkState *state = arg;

	netlink_attributes(parts, COUNT(parts), message, sizeof(*header));
	if (parts[IFLA_LINKINFO])
		netlink_nested(info, COUNT(info), parts[IFLA_LINKINFO]);
	*state = (LinkState){.index = header->ifi_index, .is_up = header->ifi_flags & IFF_UP};
	if (parts[IFLA_MTU])
		state->mtu = (int)mnl_attr_get_u32(parts[IFLA_MTU]);
	if (parts[IFLA_LINK])
		state->other = (int)mnl_attr_get_u32(parts[IFLA_LINK]);
	if (parts[IFLA_ADDRESS] && mnl_attr_get_payload_len(parts[IFLA_ADDRESS]) == sizeof(state->mac))
		memcpy(&state->mac, mnl_attr_get_payload(parts[IFLA_ADDRESS]), sizeof(state->mac));
	if (info[IFLA_INFO_KIND])
		strncpy(state->kind, mnl_attr_get_str(info[IFLA_INFO_KIND]), sizeof(state->kind) - 1);
	if (parts[IFLA_IFALIAS])
		state->is_ours = string_equal(mnl_attr_get_str(parts[IFLA_IFALIAS]), OURS);
	return NULL;
}

fallible link_look(LinkState *ret, Netlink *netlink, const char *name)
{
	const struct ifinfomsg none = {0};
	LinkState state = {0};

	if (strlen(name) >= IFNAMSIZ)
		return error_new(ERROR_INVALID, "\"%s\" is too long for the name of a link", name);
	mnl_attr_put_strz(netlink_message(netlink, RTM_GETLINK, 0, &none, sizeof(none)), IFLA_IFNAME, name);
	netlink_tolerate(netlink, ENODEV);
	TRY_WRAP(netlink_ask(netlink, read_link, &state), "link \"%s\"", name);
	*ret = state;
	return NULL;
}

fallible link_index(int *ret, Netlink *netlink, const char *name)
{
	LinkState state;

	TRY(link_look(&state, netlink, name));
	*ret = state.index;
	return NULL;
}

/* ---- messages ---- */

struct nlmsghdr *link_message(Netlink *netlink, uint16_t flags, int index, bool is_up)
{
	const struct ifinfomsg header = {
		.ifi_index = index, .ifi_flags = is_up ? IFF_UP : 0, .ifi_change = is_up ? IFF_UP : 0};

	return netlink_message(netlink, RTM_NEWLINK, flags, &header, sizeof(header));
}

void link_silence(Netlink *netlink, const char *name)
{
	struct nlmsghdr *message = link_message(netlink, 0, 0, false);
	struct nlattr *families, *six;

	mnl_attr_put_strz(message, IFLA_IFNAME, name);
	families = mnl_attr_nest_start(message, IFLA_AF_SPEC);
	six = mnl_attr_nest_start(message, AF_INET6);
	mnl_attr_put_u8(message, IFLA_INET6_ADDR_GEN_MODE, IN6_ADDR_GEN_MODE_NONE);
	mnl_attr_nest_end(message, six);
	mnl_attr_nest_end(message, families);
	netlink_tolerate(netlink, EAFNOSUPPORT);
}

static bool is_link_local(const Address *address)
{
	return address->family == AF_INET && address->bytes[0] == 169 && address->bytes[1] == 254;
}

/* At once: nobody else has been given the address, so there is nobody to ask (IFA_F_NODAD). */
void link_put_address(Netlink *netlink, int index, const Subnet *subnet)
{
	const Address *address = &subnet->address, last = subnet_last(subnet);
	size_t length = address_length(address->family);
	const struct ifaddrmsg header = {.ifa_family = (uint8_t)address->family,
		.ifa_prefixlen = (uint8_t)subnet->prefix,
		.ifa_flags = address->family == AF_INET6 ? IFA_F_NODAD : 0,
		.ifa_scope = is_link_local(address) ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE,
		.ifa_index = (unsigned)index};
	struct nlmsghdr *message =
		netlink_message(netlink, RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, &header, sizeof(header));

	mnl_attr_put(message, IFA_LOCAL, length, address->bytes);
	mnl_attr_put(message, IFA_ADDRESS, length, address->bytes);
	if (address->family == AF_INET && subnet->prefix < 31)
		mnl_attr_put(message, IFA_BROADCAST, length, last.bytes);
	netlink_tolerate(netlink, EEXIST);
}

/* ---- bridges ---- */

static struct nlmsghdr *put_new(Netlink *netlink, const char *name, const char *kind)
{
	struct nlmsghdr *message = link_message(netlink, NLM_F_CREATE | NLM_F_EXCL, 0, false);
	struct nlattr *info;

	mnl_attr_put_strz(message, IFLA_IFNAME, name);
	info = mnl_attr_nest_start(message, IFLA_LINKINFO);
	mnl_attr_put_strz(message, IFLA_INFO_KIND, kind);
	mnl_attr_nest_end(message, info);
	return message;
}

/* Containers do not tell the host where its way out is (accept_ra); a host that has IPv6 switched off for new links has
 * it nevertheless on a bridge that needs it. */
static fallible set_ipv6(const BridgeSpec *spec)
{
	autofree char *base = string_printf("/proc/sys/net/ipv6/conf/%s", spec->name);
	autofree char *accept_ra = path_join(base, "accept_ra"), *disable = path_join(base, "disable_ipv6");

	if (!file_exists(AT_FDCWD, base))
		return NULL; /* a kernel without IPv6, or an MTU that is too small for it */
	TRY(file_poke(AT_FDCWD, accept_ra, "0"));
	for (size_t i = 0; i < spec->gateway_count; i++)
		if (spec->gateways[i].address.family == AF_INET6)
			return file_poke(AT_FDCWD, disable, "0");
	return NULL;
}

static fallible create_bridge(LinkState *state, Netlink *host, const BridgeSpec *spec, const Mac *mac)
{
	struct nlmsghdr *message = put_new(host, spec->name, "bridge");

	mnl_attr_put(message, IFLA_ADDRESS, sizeof(*mac), mac);
	TRY(netlink_send(host));
	TRY(link_look(state, host, spec->name));
	state->is_ours = true;
	message = link_message(host, 0, state->index, false);
	mnl_attr_put_strz(message, IFLA_IFALIAS, OURS);
	link_silence(host, spec->name);
	return netlink_send(host);
}

/* What is right already is not said again: a bridge that is told its own MAC forgets its neighbours. Somebody else's
 * keeps the one it has, and its MTU unless another one is asked for. */
static fallible mend_bridge(Netlink *host, const BridgeSpec *spec, const LinkState *state, const Mac *mac)
{
	int mtu = spec->mtu ? spec->mtu : state->is_ours ? 1500 : state->mtu;

	if (state->is_ours && memcmp(mac, &state->mac, sizeof(*mac)))
		mnl_attr_put(link_message(host, 0, state->index, false), IFLA_ADDRESS, sizeof(*mac), mac);
	if (mtu != state->mtu)
		mnl_attr_put_u32(link_message(host, 0, state->index, false), IFLA_MTU, (uint32_t)mtu);
	for (size_t i = 0; i < spec->gateway_count; i++)
		link_put_address(host, state->index, &spec->gateways[i]);
	if (!state->is_up)
		link_message(host, 0, state->index, true);
	return netlink_send(host);
}

static fallible make_bridge(Netlink *host, const BridgeSpec *spec, int *ret_index)
{
	const Mac mac = mac_is_zero(&spec->mac) ? mac_of_name(spec->name) : spec->mac;
	LinkState state;

	TRY(link_look(&state, host, spec->name));
	if (!state.index)
		TRY(create_bridge(&state, host, spec, &mac));
	else if (!string_equal(state.kind, "bridge"))
		return error_new(ERROR_CONFLICT, "there is a link of this name that is no bridge");
	if (!state.is_up)
		TRY(set_ipv6(spec));
	TRY(mend_bridge(host, spec, &state, &mac));
	*ret_index = state.index;
	return NULL;
}

fallible bridge_make(Netlink *host, const BridgeSpec *spec, int *ret_index)
{
	TRY_WRAP(make_bridge(host, spec, ret_index), "could not make bridge \"%s\"", spec->name);
	return NULL;
}

fallible bridge_look(BridgeState *ret, Netlink *host, const char *name)
{
	LinkState state;

	TRY(link_look(&state, host, name));
	ret->index = state.index;
	ret->mtu = state.mtu;
	ret->owner = !state.index                          ? BRIDGE_ABSENT
		     : !string_equal(state.kind, "bridge") ? BRIDGE_IS_NONE
		     : state.is_ours                       ? BRIDGE_OURS
							   : BRIDGE_LENT;
	return NULL;
}

/* This one and no other: by the local part alone the kernel takes the first that has it, whatever its subnet is. */
static void remove_address(Netlink *netlink, int index, const Subnet *subnet)
{
	const Address *address = &subnet->address;
	size_t length = address_length(address->family);
	const struct ifaddrmsg header = {.ifa_family = (uint8_t)address->family,
		.ifa_prefixlen = (uint8_t)subnet->prefix,
		.ifa_index = (unsigned)index};
	struct nlmsghdr *message = netlink_message(netlink, RTM_DELADDR, 0, &header, sizeof(header));

	mnl_attr_put(message, IFA_LOCAL, length, address->bytes);
	mnl_attr_put(message, IFA_ADDRESS, length, address->bytes);
	netlink_tolerate(netlink, EADDRNOTAVAIL);
}

static fallible remove_addresses(Netlink *host, int index, const StringList *addresses)
{
	for (size_t i = 0; i < addresses->count; i++) {
		Subnet subnet;
		Error *error = subnet_parse(&subnet, addresses->items[i]);
		if (!error)
			remove_address(host, index, &subnet);
		error_free(error); /* then it is none that was added */
		TRY(netlink_send(host));
	}
	return NULL;
}

/* What others have added to a subnet behind our address would go with it: the kernel is told to keep that. */
static fallible remove_keeping_others(Netlink *host, const char *bridge, int index, const StringList *addresses)
{
	autofree char *path = string_printf("/proc/sys/net/ipv4/conf/%s/promote_secondaries", bridge), *was = NULL;
	Error *error, *after;

	TRY(file_read(&was, NULL, AT_FDCWD, path, SWITCH_MAX));
	TRY(file_poke(AT_FDCWD, path, "1"));
	error = remove_addresses(host, index, addresses);
	after = file_poke(AT_FDCWD, path, was);
	if (!error)
		return after;
	error_free(after); /* the first one says why */
	return error;
}

static fallible give_back(Netlink *host, const char *name, const StringList *added, int mtu)
{
	int index;

	TRY(link_index(&index, host, name));
	if (!index)
		return NULL;
	if (mtu)
		mnl_attr_put_u32(link_message(host, 0, index, false), IFLA_MTU, (uint32_t)mtu);
	TRY(netlink_send(host));
	return remove_keeping_others(host, name, index, added);
}

fallible bridge_give_back(Netlink *host, const char *name, const StringList *added, int mtu)
{
	TRY_WRAP(give_back(host, name, added, mtu), "could not make bridge \"%s\" what it was", name);
	return NULL;
}

/* ---- cards that others stand on ---- */

static fallible make_card(Netlink *host, const char *name, const char *kind)
{
	struct nlmsghdr *message = put_new(host, name, kind);
	struct ifinfomsg *header = mnl_nlmsg_get_payload(message);

	header->ifi_flags = header->ifi_change = IFF_UP;
	netlink_tolerate(host, EEXIST);
	return netlink_send(host);
}

/* A bridge without ports leads nowhere, too, where the kernel has nothing simpler. */
fallible link_make_dummy(Netlink *host, const char *name)
{
	Error *error = make_card(host, name, "dummy");

	if (error && error_number(error) == EOPNOTSUPP) {
		error_free(error);
		error = make_card(host, name, "bridge");
	}
	TRY_WRAP(error, "could not make link \"%s\"", name);
	return NULL;
}

/* "eth0.100" is VLAN 100 on eth0. */
static fallible find_vlan(int64_t *ret_id, LinkState *ret_below, Netlink *host, const char *name)
{
	const char *dot = strrchr(name, '.');

	if (!dot)
		return error_new(ERROR_NOT_FOUND, "no such link");
	autofree char *card = strndup(name, (size_t)(dot - name));
	TRY_WRAP(string_to_int64(ret_id, dot + 1, 1, 4094), "VLAN of link");
	TRY(link_look(ret_below, host, card));
	if (!ret_below->index)
		return error_new(ERROR_NOT_FOUND, "no such link, nor \"%s\" to make it on", card);
	return NULL;
}

static fallible make_vlan(Netlink *host, const char *name)
{
	LinkState below = {0};
	int64_t id;

	TRY(find_vlan(&id, &below, host, name));
	struct nlmsghdr *message = link_message(host, NLM_F_CREATE | NLM_F_EXCL, 0, true);
	mnl_attr_put_strz(message, IFLA_IFNAME, name);
	mnl_attr_put_u32(message, IFLA_LINK, (uint32_t)below.index);
	struct nlattr *info = mnl_attr_nest_start(message, IFLA_LINKINFO);
	mnl_attr_put_strz(message, IFLA_INFO_KIND, "vlan");
	struct nlattr *data = mnl_attr_nest_start(message, IFLA_INFO_DATA);
	mnl_attr_put_u16(message, IFLA_VLAN_ID, (uint16_t)id);
	mnl_attr_nest_end(message, data);
	mnl_attr_nest_end(message, info);
	return netlink_send(host);
}

fallible link_check_parent(Netlink *host, const char *name)
{
	LinkState state;
	int64_t id;

	TRY(link_look(&state, host, name));
	if (!state.index)
		TRY_WRAP(find_vlan(&id, &state, host, name), "link \"%s\"", name);
	return NULL;
}

fallible link_need_parent(Netlink *host, const char *name, int *ret_index, bool *ret_made)
{
	LinkState state;
	bool made;

	TRY(link_look(&state, host, name));
	made = !state.index;
	if (made) {
		TRY_WRAP(make_vlan(host, name), "link \"%s\"", name);
		TRY(link_look(&state, host, name));
	}
	*ret_index = state.index;
	if (ret_made)
		*ret_made = made;
	return NULL;
}

/* ---- removal ---- */

fallible link_remove(Netlink *netlink, const char *name)
{
	const struct ifinfomsg none = {0};

	mnl_attr_put_strz(netlink_message(netlink, RTM_DELLINK, 0, &none, sizeof(none)), IFLA_IFNAME, name);
	netlink_tolerate(netlink, ENODEV);
	TRY_WRAP(netlink_send(netlink), "could not remove link \"%s\"", name);
	return NULL;
}

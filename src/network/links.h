// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Bridges on the host, and what plugs a container's namespace into them or into a card of the host: links, addresses,
 * routes. All in process, by few netlink messages. Nothing here waits for the kernel to forget a link: removal, which
 * does, is the reaper's (network/reaper.h); what dies with its namespace is not removed at all.
 *
 * `host` is a Netlink of NETLINK_ROUTE in kedged's own namespace.
 */
#include <net/if.h>
#include <stdbool.h>

#include "base/strings.h"
#include "network/address.h"
#include "network/bridge_port.h"
#include "network/netlink.h"

enum { LINK_ADDRESSES_MAX = 8 };

typedef struct BridgeSpec {
	const char *name;
	Mac mac; /* zero: always the same for a name, so that neighbours need not learn anew */
	int mtu; /* 0: 1500 */
	Subnet gateways[LINK_ADDRESSES_MAX];
	size_t gateway_count;
} BridgeSpec;

/* Makes what is missing and mends what differs: bridge, MAC, MTU, addresses, up. Addresses that others have added stay,
 * and MAC and MTU of a bridge that others have made, unless an MTU is asked for.
 * ERROR_CONFLICT when a link of this name is no bridge. */
fallible bridge_make(Netlink *host, const BridgeSpec *spec, int *ret_index);

typedef enum BridgeOwner {
	BRIDGE_ABSENT,
	BRIDGE_OURS,    /* bridge_make() has made it */
	BRIDGE_LENT,    /* somebody else has: it is used, and stays */
	BRIDGE_IS_NONE, /* the link of this name is no bridge */
} BridgeOwner;

typedef struct BridgeState {
	BridgeOwner owner;
	int index; /* of the link; 0: there is none */
	int mtu;
} BridgeState;
fallible bridge_look(BridgeState *ret, Netlink *host, const char *name);

/* Takes these addresses off it ("10.1.0.1/24"), and no others. mtu: that it had; 0: that stays. */
fallible bridge_give_back(Netlink *host, const char *name, const StringList *added, int mtu);

typedef enum PlugKind { PLUG_VETH, PLUG_MACVLAN, PLUG_IPVLAN, PLUG_KINDS } PlugKind;

typedef struct PlugSpec {
	PlugKind kind;
	int namespace_fd;
	const char *name;      /* in the container: "eth0" */
	const char *host_name; /* PLUG_VETH: of the end that is in the bridge */
	const char *parent;    /* the bridge; else a card, which may be a VLAN's ("eth0.100") that is made when it is
				  missing */
	/* macvlan: "bridge", "private", "vepa", "passthru"; ipvlan: "l2", "l3", "l3s"; NULL: the first */
	const char *mode;
	Mac mac; /* zero: the kernel's choice; not with ipvlan */
	int mtu; /* 0: the parent's */
	Subnet addresses[LINK_ADDRESSES_MAX];
	size_t address_count;
	Address gateways[2]; /* default routes, one a family; family 0: none */
	bool meets_bridge;   /* veth: the gateways are the bridge's own addresses */
	bool has_ipv6;       /* false: neither end has an IPv6 address, not even a link-local one */
	BridgePort port;     /* veth */
} PlugSpec;

/* All of it, or an Error and nothing is left. ret_mac (may be NULL): what the container's end has. ERROR_CONFLICT when
 * one of the names is taken, ERROR_NOT_FOUND when the parent is missing. */
fallible link_plug(Netlink *host, const PlugSpec *spec, Mac *ret_mac);
/* Another way out for a container that is plugged in already: sets (or, family 0, takes away) its default routes. */
fallible link_set_gateways(int namespace_fd, const char *name, const Address gateways[2]);
/* A card that can be a parent: one that is there, or a VLAN's that is made now (*ret_made, may be NULL).
 * ERROR_NOT_FOUND.
 */
fallible link_need_parent(Netlink *host, const char *name, int *ret_index, bool *ret_made);

/* Whether link_need_parent() would find or make it now. */
fallible link_check_parent(Netlink *host, const char *name);

/* A card that leads nowhere: the parent of a macvlan network that has none. One that is there is fine. */
fallible link_make_dummy(Netlink *host, const char *name);
fallible link_index(int *ret, Netlink *netlink, const char *name); /* 0 when there is none */
fallible link_remove(Netlink *netlink, const char *name);          /* waits 10-30 ms; absent is fine */

/* ---- what is there ---- */

/* Subnets that the host has routes for, both families, without default routes; those that lead over one of the links
 * `own` (names, NULL-terminated) are left out. *ret is owned. */
fallible routes_list(Subnet **ret, size_t *ret_count, Netlink *host, const char *const *own);

/* Adds the addresses of a link as texts, "10.1.0.1/24", both families. */
fallible addresses_list(StringList *ret, Netlink *host, const char *link);

typedef struct LinkCounters {
	char name[IFNAMSIZ];
	uint64_t rx_bytes, rx_packets, rx_errors, rx_dropped;
	uint64_t tx_bytes, tx_packets, tx_errors, tx_dropped;
} LinkCounters;

/* Of each link but lo, in the namespace of netlink. */
fallible link_counters_each(Netlink *netlink, void (*visit)(void *arg, const LinkCounters *counters), void *arg);

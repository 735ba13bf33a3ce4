// SPDX-License-Identifier: Apache-2.0
#pragma once
/* What links.c, plug.c and inventory.c share: what a link is, and parts of messages about links. */
#include <net/if.h>

#include "network/links.h"

typedef struct LinkState {
	int index; /* 0: there is none of this name */
	int other; /* index of a veth's other end, or of the card below, where that is; 0: none */
	bool is_up;
	int mtu;
	Mac mac;
	char kind[16]; /* "bridge", "veth"; "" for hardware */
	bool is_ours;  /* a bridge that bridge_make() has made */
} LinkState;

fallible link_look(LinkState *ret, Netlink *netlink, const char *name);

/* RTM_NEWLINK, which also changes a link that is there; index 0: by attributes. */
struct nlmsghdr *link_message(Netlink *netlink, uint16_t flags, int index, bool is_up);
/* Messages of their own. The kernel makes up no IPv6 address for the link, which must not be up yet; where it has no
 * IPv6, as any with an MTU below 1280, it makes up none. */
void link_silence(Netlink *netlink, const char *name);
/* An address that is there already is fine. */
void link_put_address(Netlink *netlink, int index, const Subnet *subnet);

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
void link_put_silence(struct nlmsghdr *message);
/* A message of its own; an address that is there already is fine. */
void link_put_address(Netlink *netlink, int index, const Subnet *subnet);

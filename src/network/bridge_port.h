// SPDX-License-Identifier: Apache-2.0
#pragma once
/* A veth's end in a bridge, as the bridge sees it. */
#include <stdbool.h>

#include "network/netlink.h"

typedef struct BridgePort {
	bool is_hairpin;  /* may send back to where it came from (with bridge-nf) */
	bool is_isolated; /* does not reach other isolated ports */
} BridgePort;

/* No frame passes it from now on, while the kernel takes its time to remove the link. One that is not there, or is in
 * no bridge, is cut off already. */
fallible bridge_port_cut(Netlink *host, const char *name);
/* Those of a bridge. is_cut: by bridge_port_cut(). */
fallible bridge_ports_each(
	Netlink *host, int bridge_index, void (*visit)(void *arg, const char *name, bool is_cut), void *arg);
/* Up, in this bridge, whatever it was in, and with these flags, which it loses with the bridge. */
fallible bridge_port_join(Netlink *host, const char *name, int bridge_index, BridgePort port);
/* The flags as a part of a message of RTM_NEWLINK about a link that is in a bridge. */
void bridge_port_put(struct nlmsghdr *message, BridgePort port);

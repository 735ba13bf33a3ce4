// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * A container and the host are introduced to each other when it is plugged into a bridge, as we have given them their
 * addresses: the first packet need not wait for an answer to a question that goes to every port of the bridge (1 ms
 * among 150 containers, and growing with them). What is told is stale, as the kernel calls it: used at once, and asked
 * for again when nobody answers, so that a container may change its MAC. What cannot be told is found out as ever.
 */
#include <stddef.h>

#include "network/address.h"
#include "network/netlink.h"

/* Who has the addresses lives at the MAC, on the link of this index. */
void neighbours_tell(Netlink *netlink, int index, const Address *addresses, size_t count, const Mac *mac);
/* A bridge finds the MAC behind its port of this index. */
void neighbours_tell_bridge(Netlink *netlink, int port_index, const Mac *mac);

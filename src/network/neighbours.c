// SPDX-License-Identifier: Apache-2.0
#include "network/neighbours.h"

#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

static struct nlmsghdr *put(Netlink *netlink, const struct ndmsg *header, const Mac *mac)
{
	struct nlmsghdr *message =
		netlink_message(netlink, RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_REPLACE, header, sizeof(*header));

	mnl_attr_put(message, NDA_LLADDR, sizeof(*mac), mac);
	return message;
}

void neighbours_tell(Netlink *netlink, int index, const Address *addresses, size_t count, const Mac *mac)
{
	for (size_t i = 0; i < count; i++) {
		const struct ndmsg header = {
			.ndm_family = (uint8_t)addresses[i].family, .ndm_ifindex = index, .ndm_state = NUD_STALE};

		if (addresses[i].family)
			mnl_attr_put(put(netlink, &header, mac), NDA_DST, address_length(addresses[i].family),
				addresses[i].bytes);
	}
}

/* Until the port goes: one that is not forwarding yet is told nothing that would be forgotten by itself. */
void neighbours_tell_bridge(Netlink *netlink, int port_index, const Mac *mac)
{
	const struct ndmsg header = {
		.ndm_family = AF_BRIDGE, .ndm_ifindex = port_index, .ndm_state = NUD_NOARP, .ndm_flags = NTF_MASTER};

	put(netlink, &header, mac);
}

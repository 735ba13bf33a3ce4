// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * What networks need of the host itself: switches of the kernel, set as narrowly as it lets us and only when the first
 * network needs them, and kept in mind for `kedge info`. What somebody else has set already is not ours.
 */
#include <stdbool.h>

#include "base/strings.h"
#include "network/address.h"
#include "network/netlink.h"

/* Forwarding of a family. For AF_INET6 cards that take their address from router advertisements keep doing so
 * (accept_ra=2): the kernel would end that with forwarding. */
fallible host_forward(int family);
/* What a bridge needs so that ports on 127.0.0.1 and, has_ipv6, [::1] lead into it: route_localnet, and a local route
 * of
 * ::1. Again is fine. */
fallible host_open_loopback(Netlink *host, const char *bridge, bool has_ipv6);
bool host_has_localnet(const char *bridge); /* its route_localnet is on */
/* Takes both back, or, keeps_localnet, the route alone. Where they are not, that is fine. */
fallible host_close_loopback(Netlink *host, const char *bridge, bool keeps_localnet);
/* Whether frames within a bridge go through the firewall (br_netfilter): what hairpin and ::1 then need is different.
 */
bool host_filters_bridges(int family);

/* What was switched on is kept in this file, too, for the next kedged: a path whose content is gone after the next
 * boot, as the switches are. Without this call it is kept in memory alone. */
fallible host_keep(const char *path);
/* One line for each switch that is set for us, "net.ipv4.ip_forward = 1 (was 0)": those of the host, then of bridges.
 */
void host_settings(StringList *ret, const StringList *bridges);
void host_forget(void); /* frees what is kept in memory */

// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * What kedged and kedge-dns say to each other, in packets (base/packet.h).
 *
 *   kedge-dns  hello VERSION                  first; one of another version is told to retire, and another is started
 *              held CONTAINER...              it has their sockets; as many packets as it takes
 *              ready
 *   kedged     begin                          everything follows,
 *              end                            and what was not named since then is dropped, with its sockets
 *              names NETWORK CONTAINER IPV4 IPV6 NAME...        addresses may be ""
 *              forget-names NETWORK CONTAINER
 *              view CONTAINER 1|0 [n ID NAME]... [l NAME NETWORK CONTAINER]... [s ADDRESS]...
 *                                             1: outside names are forwarded; networks, links (network "": any),
 *                                             servers; with it, where it has them not yet, a UDP and a listening TCP
 *                                             socket
 *              view-more CONTAINER [n ...]...   what did not fit into the packet before
 *              forget-view CONTAINER
 *              retire                           end, now
 *
 * kedge-dns serves one connection, the newest: that of the kedged that lives.
 */
#include "base/companion.h"

#define DNS_VERSION "kedge-dns 1 " KEDGE_VERSION

enum { DNS_PACKET_MAX = PACKET_MAX, DNS_FDS_MAX = 2, DNS_CONNECTION_FD = COMPANION_FD };

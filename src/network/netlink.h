// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Questions to the kernel's network, on libmnl: any number of messages in one sendmsg(2), answered before the call
 * returns. A Netlink belongs to the network namespace in which it was opened, wherever the process is later. Messages
 * are collected with netlink_message() and the mnl_attr_put functions, then sent:
 *
 *	struct nlmsghdr *message = netlink_message(netlink, RTM_NEWLINK, NLM_F_CREATE, &link, sizeof(link));
 *	mnl_attr_put_strz(message, IFLA_IFNAME, "br0");
 *	TRY_WRAP(netlink_send(netlink), "could not make bridge \"%s\"", "br0");
 *
 * A message is complete when the next one is begun, and need not outlive it. The kernel goes on behind a message that
 * fails, unless the bus is a transaction's.
 */
#include <libmnl/libmnl.h>
#include <stdbool.h>

#include "base/cleanup.h"
#include "base/error.h"

typedef struct Netlink Netlink;

/* namespace_fd: -1: the one that the process is in. bus: NETLINK_ROUTE, NETLINK_NETFILTER. */
fallible netlink_open_in(Netlink **ret, int namespace_fd, int bus);
Netlink *netlink_close(Netlink *netlink);
DEFINE_AUTOPTR(Netlink, netlink_close)
int netlink_fd(const Netlink *netlink); /* borrowed */

/* The kernel may be without (ipv6.disable=1), and refuses then what a message says of it. */
bool host_has_ipv6(void);

/* Begins a message behind those that wait to be sent: type and flags as the kernel has them, NLM_F_REQUEST is implied;
 * header, of size bytes, is what the type begins with. */
struct nlmsghdr *netlink_message(Netlink *netlink, uint16_t type, uint16_t flags, const void *header, size_t size);
/* This errno is no failure of the message that was begun last: EEXIST, ENODEV, ... */
void netlink_tolerate(Netlink *netlink, int errno_value);
/* Sends what waits and collects the answers. The first failure that is not tolerated, with the kernel's own words where
 * it has some; error_number() has the errno. Afterwards nothing waits. */
fallible netlink_send(Netlink *netlink);

/* One message that is answered by many (NLM_F_DUMP) or by one. Stops at the visitor's first error. */
typedef Error *NetlinkVisitor(void *arg, const struct nlmsghdr *message);
fallible netlink_ask(Netlink *netlink, NetlinkVisitor *visit, void *arg);
/* Whether what the last question was about changed while the kernel told it: some of it may be missing, or told twice.
 */
bool netlink_is_torn(const Netlink *netlink);

/* Attributes of a message by their type, NULL for those that are absent; first: the first attribute. */
void netlink_attributes(const struct nlattr **ret, size_t count, const struct nlmsghdr *message, size_t header_size);
void netlink_nested(const struct nlattr **ret, size_t count, const struct nlattr *nest);

// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * A connection to the kernel's netfilter (nf_tables, connection tracking) in the network namespace in which it was
 * opened: requests, dumps, and transactions, which are many nf_tables messages in one sendmsg(2), all or nothing. The
 * kernel answers all of these before sendmsg returns, so nothing here waits.
 */
#include <netinet/in.h> /* before the kernel's headers, which leave out what it has then */

#include <libmnl/libmnl.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>

#include "base/buffer.h"
#include "base/cleanup.h"
#include "base/error.h"

typedef struct Nfnetlink Nfnetlink;

fallible nfnetlink_open(Nfnetlink **ret);
Nfnetlink *nfnetlink_close(Nfnetlink *netlink);
DEFINE_AUTOPTR(Nfnetlink, nfnetlink_close)
uint32_t nfnetlink_port(const Nfnetlink *netlink); /* by which events tell who made a change */

/* A list of messages under construction. A message is written by libmnl into room that nfnetlink_put() has made, and is
 * ended by the next message or by sending; pointers into it hold until then. */
typedef struct Messages {
	Buffer bytes;
	size_t last; /* where the message under construction begins */
	size_t count;
} Messages;

enum { MESSAGE_MAX = 2048 };

/* type: NFT_MSG_* etc.; flags: NLM_F_* besides NLM_F_REQUEST; family: NFPROTO_*. */
struct nlmsghdr *messages_add(Messages *messages, int subsystem, int type, int flags, int family);
struct nlmsghdr *messages_add_nft(Messages *messages, int type, int flags, int family);
void messages_clear(Messages *messages);
DEFINE_AUTOCLEAR(Messages, messages_clear)

/* The errno of the first message that was refused, or 0: the transaction happened. ret_refused (may be NULL): which one
 * that was, from 0. */
fallible nfnetlink_commit(Nfnetlink *netlink, Messages *transaction, int *ret_errno, size_t *ret_refused);
/* The only message of request, outside of a transaction: a question (NLM_F_DUMP for many answers) or an order
 * (NLM_F_ACK). visit is called for each answer. errno as above. */
typedef void NfnetlinkVisitor(void *arg, const struct nlmsghdr *answer);
fallible nfnetlink_ask(Nfnetlink *netlink, Messages *request, NfnetlinkVisitor *visit, void *arg, int *ret_errno);
/* Orders outside of a transaction, each on its own; whether they could be carried out is not told. */
fallible nfnetlink_tell(Nfnetlink *netlink, Messages *orders);

// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Flows that the kernel remembers keep going where they went first, whatever the table says now: a client's datagrams
 * from the same port would reach a container that is gone, or nobody although the port is published now. So such flows
 * are forgotten when a port is published and when a container with ports has ended.
 *
 * A walk over the kernel's flows takes up to 25 ms (50,000 flows), so all that was said within a moment is done by a
 * forked child soon afterwards; where the kernel knows no flow there is none.
 */
#include "base/loop.h"
#include "network/address.h"

typedef struct Conntrack Conntrack;

fallible conntrack_open(Conntrack **ret, Loop *loop); /* of the network namespace that the process is in */
Conntrack *conntrack_close(Conntrack *conntrack);     /* what was not done yet is not done */
DEFINE_AUTOPTR(Conntrack, conntrack_close)

/* A port was published, soon: datagrams that go elsewhere than to `to`, and connections that are led elsewhere, are
 * forgotten. Flows through the host to somebody else's port are not touched. protocol: IPPROTO_; host: family 0: any
 * address of the host. */
void conntrack_forget_port(Conntrack *conntrack, int protocol, const Address *host, uint16_t port, const Address *to);
/* A container has given up its address, within half a second: flows that were led to it are forgotten. */
void conntrack_forget_address(Conntrack *conntrack, const Address *address);
/* What was noted is done now, in process. ret_forgotten may be NULL. */
fallible conntrack_flush(Conntrack *conntrack, size_t *ret_forgotten);

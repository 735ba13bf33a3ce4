// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Questions that others answer. Each is sent with an id of its own from a port of its own (RFC 5452), over UDP or TCP
 * as the client asked, and what comes back is passed on as it is if it answers that question. The servers are asked one
 * after the other, each when the one before it has failed or taken a while; all that were asked may still answer. Who
 * let us wait is asked last for some seconds.
 */
#include "base/loop.h"
#include "dns/message.h"
#include "dns/servers.h"

typedef struct Forwarder Forwarder;
typedef struct Forward Forward;

/* Once: the answer with the client's id, which may be written into; NULL: nobody answered. forward_free() follows. */
typedef void ForwardDone(void *arg, uint8_t *answer, size_t length);

Forwarder *forwarder_new(Loop *loop);
Forwarder *forwarder_free(Forwarder *forwarder); /* after the last Forward */
DEFINE_AUTOPTR(Forwarder, forwarder_free)
size_t forwarder_count(const Forwarder *forwarder); /* of those outstanding */

typedef struct ForwardOrder {
	Question *take_question; /* taken when it is asked */
	const uint8_t *bytes;    /* as the client sent it */
	size_t length;
	bool is_stream;
	ServerList servers; /* count > 0 */
} ForwardOrder;

/* NULL: none of the servers can be sent to. */
Forward *forward_new(Forwarder *forwarder, ForwardOrder *order, ForwardDone *done, void *arg);
Forward *forward_free(Forward *forward); /* also before it is done */
const Question *forward_question(const Forward *forward);

// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * A websocket (RFC 6455, after its handshake) and the plain socket behind it. What comes in a client's messages, text
 * or binary, whole or in fragments, goes on as bytes; what the plain side sends goes to the client in messages. Pings
 * are answered. wslay knows the frames and is seen here alone.
 *
 * A message is passed on as it comes and never held whole. Each direction holds one piece, which the next one waits
 * for; so do both neighbours, each by itself: who does not read may still be heard. The plain side's end closes the
 * websocket (1000); the client's close or leaving, or frames that are none (1002, 1007, 1009), closes the plain side
 * when it has taken what came before. From the end of either side on the client has ten seconds for each piece that is
 * left.
 */
#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"

typedef struct RelaySides {
	int client, plain; /* connected sockets: the callee's */
	const char *early; /* what the client has sent already: lent */
	size_t early_length;
	bool is_text;     /* output goes in text messages: UTF-8, see text.h */
	bool takes_input; /* otherwise what the client says is dropped */
} RelaySides;

/* Returns when both sides have ended. */
fallible relay_run(const RelaySides *sides);

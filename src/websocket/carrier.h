// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * A websocket for a program that knows nothing of frames: a kedge-ws of its own carries each, between the client's
 * socket and a plain one on which bytes go both ways. It needs nobody but those two: whoever has the other end of the
 * plain one, a container's shim too, is all that it talks to.
 */
#include <stddef.h>

#include "base/loop.h"

/* Descriptors of kedge-ws; what its client had sent with its request is its standard input. */
enum { WEBSOCKET_CLIENT_FD = 3, WEBSOCKET_PLAIN_FD };

typedef struct WebsocketClient {
	bool is_text;     /* output goes in text messages, not in binary ones */
	bool takes_input; /* otherwise what the client says is dropped */
	const char *early;
	size_t early_length;
} WebsocketClient;

/* program: kedge-ws; client_fd is lent, *ret_fd the caller's. Either side's end is the other's: closing *ret_fd, when
 * everything was read, tells the client that all is over (1000). */
fallible websocket_carry(int *ret_fd, Loop *loop, const char *program, const WebsocketClient *client, int client_fd);

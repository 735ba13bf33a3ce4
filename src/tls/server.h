// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * kedge-tls as kedged starts it: accepts TCP connections, lets in who has a certificate, and relays each to a
 * connection of its own to kedged's socket. It goes on when kedged dies, and tries for a while to reach the next one. A
 * new kedged takes its listening sockets over; it ends after its last connection then.
 */
#include "base/loop.h"

typedef struct TlsServer TlsServer;

typedef struct TlsServerOptions {
	int control;  /* socket to kedged */
	int takeover; /* listening socket, for the next kedged */
	const int *listeners;
	size_t listener_count;
	size_t connections_max;
	bool has_guests; /* clients without a certificate are let in as well, to a socket of their own */
} TlsServerOptions;

/* Takes the descriptors. The certificates come over the control socket. */
fallible tls_server_new(TlsServer **ret, Loop *loop, const TlsServerOptions *options);
TlsServer *tls_server_free(TlsServer *server);
DEFINE_AUTOPTR(TlsServer, tls_server_free)

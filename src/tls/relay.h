// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * One TLS connection and the plain socket behind it. Bytes go both ways as fast as both sides take them, through two
 * buffers that exist only while they hold something. Each side's end of sending is passed on (close_notify is
 * shutdown(2), and back); a peer that closes its TCP connection has left, and the plain socket is closed at once, so
 * that who waits behind it knows.
 */
#include <openssl/ssl.h>

#include "base/loop.h"

typedef struct Relay Relay;

typedef struct RelayHandlers {
	void (*ready)(void *arg); /* the handshake is done: relay_join() or relay_free(), now or later */
	/* Once, last; error NULL: both sides have ended. The relay is still the owner's to free, here or later. */
	void (*ended)(void *arg, Error *take_error);
} RelayHandlers;

/* Takes ssl and its descriptor. */
fallible relay_new(Relay **ret, Loop *loop, SSL *take_ssl, const RelayHandlers *handlers, void *arg);
fallible relay_join(Relay *relay, int take_plain_fd);
/* Closes what is open. Not from inside of the relay's own callbacks: there, through relay_free_later(). */
Relay *relay_free(Relay *relay);
DEFINE_AUTOPTR(Relay, relay_free)
/* Nothing is called any more; the memory goes after the loop's callbacks have returned. */
void relay_free_later(Relay *relay);
const SSL *relay_ssl(const Relay *relay);

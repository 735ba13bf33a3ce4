// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * What OpenSSL needs to know before a connection: certificates as PEM texts, and the rules. TLS 1.2 or 1.3, both sides
 * show a certificate (but for guests), no renegotiation, no session is resumed (each connection is checked against the
 * CA and the CRL as they are). OpenSSL is seen by context.c and relay.c alone.
 */
#include <openssl/ssl.h>
#include <stddef.h>

#include "base/cleanup.h"
#include "base/error.h"

typedef struct Pem {
	const char *name; /* for errors: the field or the file */
	char *text;       /* NULL: there is none */
	size_t length;
} Pem;

enum { PEM_CA, PEM_CERT, PEM_KEY, PEM_CRL, PEM_COUNT, PEM_MAX = 1 << 20 };

typedef struct ssl_ctx_st TlsContext;

void pems_clear(Pem pems[PEM_COUNT]); /* the key is overwritten */

/* has_guests: a client may have no certificate; one that it has must be good. Errors name the PEM and say OpenSSL's
 * reason. */
fallible context_new_server(TlsContext **ret, const Pem pems[PEM_COUNT], bool has_guests);
bool context_peer_has_certificate(const SSL *ssl); /* which was found good in the handshake */
/* The client's certificate is optional to OpenSSL, not to the server. ca NULL: the system's. */
fallible context_new_client(TlsContext **ret, const Pem pems[PEM_COUNT]);
TlsContext *context_free(TlsContext *context);
DEFINE_AUTOPTR(TlsContext, context_free)

/* A connection. host: the name or the address that the server's certificate must have; NULL on the server's side. */
fallible context_connection(SSL **ret, TlsContext *context, int fd, const char *host);
/* The newest of OpenSSL's errors, which are forgotten, or what was wrong with the other side's certificate. ssl may be
 * NULL. */
fallible tls_error(const SSL *ssl, const char *what);

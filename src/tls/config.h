// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * "tcp" of kedged.yaml: where the API is served over TLS, and with whose certificates. There is no plain TCP, and
 * nobody is let in without a certificate of the CA: who is let in is root on the machine. Where there are passwords,
 * who has no certificate comes to a socket of its own, behind which is a login.
 */
#include <stdint.h>

#include "base/strings.h"
#include "json/fields.h"

enum { TLS_ADDRESSES_MAX = 8, TLS_CONNECTIONS_MAX = 4096 };

typedef struct TlsConfig {
	StringList listen;   /* "127.0.0.1:2376", "[::]:2376"; none: nothing is served */
	char *ca;            /* files in PEM: whose certificates clients may have, */
	char *cert;          /* the server's own with its chain, */
	char *key;           /* its key without a passphrase, */
	char *crl;           /* and clients' certificates that are revoked (may be NULL) */
	char *passwords;     /* of those who may log in without a certificate (may be NULL: nobody) */
	char *user;          /* whom kedge-tls becomes */
	int64_t connections; /* at a time */
} TlsConfig;

extern const Field tls_config_fields[];

void tls_config_init(TlsConfig *config); /* the defaults */
bool tls_config_is_on(const TlsConfig *config);
bool tls_config_has_guests(const TlsConfig *config); /* who has no certificate may try to log in */
/* What can be said without opening the files; errors name the field. */
fallible tls_config_check(const TlsConfig *config);

// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Where the daemon is: a unix socket, or a tcp:// host that is reached by TLS, each connection through a kedge-tls of
 * its own. Said by --host, KEDGE_HOST, DOCKER_HOST, in this order. The daemon's certificate is always verified.
 */
#include "cli/global.h"
#include "tls/connect.h"

typedef struct Host {
	char *socket; /* NULL: tls */
	char *hint;   /* to who cannot reach it; NULL: none */
	TlsPlace tls;
} Host;

/* config_dir: where Docker's ca.pem, cert.pem and key.pem are, unless DOCKER_CERT_PATH says otherwise. */
fallible host_find(Host *ret, const GlobalOptions *options, const char *config_dir);
/* Where a helper program lies. */
char *host_program(const char *name);
Host *host_free(Host *host);
HttpClient *host_client(const Host *host); /* the host stays the caller's, and longer than the client */

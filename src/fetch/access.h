// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * How to reach one registry: transport, certificates, credentials. Read from the administrator's files by
 * registry_access_load(); credentials of a request (X-Registry-Auth, the command line's login) are set by the caller
 * afterwards and win.
 */
#include <stdbool.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/strings.h"
#include "json/fields.h"

enum { MIRRORS_MAX = 16 };

typedef struct RegistryAccess {
	char *host;         /* "docker.io" is registry-1.docker.io */
	bool plain_http;    /* HTTP may be used where HTTPS does not answer: declared insecure, or loopback without TLS
			       configured */
	bool skip_verify;   /* any certificate will do: the same hosts */
	char *ca_pem;       /* CAs besides the system's; NULL: none */
	char *ca_directory; /* where CAs for this host are looked for, for hints; may be NULL */
	char *client_cert_pem, *client_key_pem;
	char *proxy;      /* URL, for this registry alone and all that it leads to; NULL: by the next three */
	char *http_proxy; /* URL for plain HTTP; NULL: none */
	char *https_proxy;
	char *no_proxy;     /* hosts that are spoken to directly: names, their domains, address ranges; by commas */
	StringList mirrors; /* asked before it when pulling, in order: "host:5000", "host/prefix" */
	char *prefix;       /* of a mirror: stands before the repository */
	char *username, *password;
	char *identity_token; /* a refresh token in place of a password */
} RegistryAccess;

extern const Field registry_access_fields[];
void registry_access_clear(RegistryAccess *access);
DEFINE_AUTOCLEAR(RegistryAccess, registry_access_clear)

/*
 * Fills ret for host from what is there of
 *   <directory>/<host>.yaml: insecure, ca, client_cert, client_key (paths, relative to directory), proxy ("": none),
 * username, password, mirrors; <certs_directory>/<host>/: *.crt are CAs, NAME.cert with NAME.key is the client's
 * certificate (Docker's layout); insecure: hosts, hosts with port, or address ranges ("10.0.0.0/8"). Loopback is
 * insecure unless a CA, a client certificate or "insecure: false" is given for it. Directories and list may be NULL.
 */
fallible registry_access_load(RegistryAccess *ret, const char *host, const char *directory, const char *certs_directory,
	const StringList *insecure);

typedef FieldArray RegistryMirrors; /* of RegistryAccess */

/* The same for each of access->mirrors: with the credentials that are there for the mirror's own host, or none. */
fallible registry_mirrors_load(RegistryMirrors *ret, const RegistryAccess *access, const char *directory,
	const char *certs_directory, const StringList *insecure);
void registry_mirrors_clear(RegistryMirrors *mirrors);
DEFINE_AUTOCLEAR(RegistryMirrors, registry_mirrors_clear)

// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * TLS for a program that links none: a kedge-tls of its own carries each connection. What went wrong is read from it
 * after the connection has broken off.
 */
#include <stdbool.h>

#include "base/cleanup.h"
#include "base/error.h"

/* Descriptors of kedge-tls --connect. */
enum { TLS_PLAIN_FD = 3, TLS_STATUS_FD };

typedef struct TlsPlace {
	char *program;         /* kedge-tls */
	char *place;           /* "HOST:PORT" */
	char *ca, *cert, *key; /* files; each may be NULL */
} TlsPlace;

void tls_place_clear(TlsPlace *place);
/* A socket that speaks to the kedged at place; what becomes of it is told by ret_status_fd. Both are the caller's. */
fallible tls_connect(int *ret_fd, int *ret_status_fd, const TlsPlace *place);
/* Why the connection broke off, once it has: waits for kedge-tls to end. NULL when it knows of nothing. Takes the
 * descriptor. */
fallible tls_connect_reason(int take_status_fd, const TlsPlace *place);

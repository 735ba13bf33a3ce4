// SPDX-License-Identifier: Apache-2.0
#pragma once
/* An address by its name, asked aside (getaddrinfo_a(3)): a name server that is silent holds nobody else up. */
#include <netdb.h>
#include <stdbool.h>

#include "base/cleanup.h"
#include "base/error.h"

typedef struct Lookup Lookup;

fallible lookup_start(Lookup **ret, const char *host, const char *port, int socket_type);
bool lookup_is_done(const Lookup *lookup);
/* When it is done. The list is the lookup's. */
fallible lookup_result(const struct addrinfo **ret, const Lookup *lookup);
Lookup *lookup_free(Lookup *lookup); /* also while it is asked */
DEFINE_AUTOPTR(Lookup, lookup_free)

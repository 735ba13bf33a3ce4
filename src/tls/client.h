// SPDX-License-Identifier: Apache-2.0
#pragma once
/* The other side, for the command line: a TLS connection to a kedged, relayed to a plain socket until both have ended.
 */
#include "base/error.h"
#include "tls/context.h"

/* place: "HOST:PORT" or "[ADDRESS]:PORT"; the server's certificate must be of that host. Takes plain_fd. */
fallible tls_client_run(const char *place, const Pem pems[PEM_COUNT], int take_plain_fd);

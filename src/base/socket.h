// SPDX-License-Identifier: Apache-2.0
#pragma once
/* Addresses of sockets in the file system. */
#include <sys/un.h>

#include "base/error.h"

/* ERROR_INVALID: a path that is longer than such an address can be. */
fallible socket_address(struct sockaddr_un *ret, const char *path);

// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Where another engine of this device listens: "unix:///PATH" or "tcp://ADDRESS:PORT". An address is a number of the
 * loopback interface: whoever reaches such a socket is root, and a name would have to be asked for.
 */
#include <sys/socket.h>

#include "base/error.h"

typedef struct ExternalAddress {
	struct sockaddr_storage socket;
	socklen_t length;
} ExternalAddress;

fallible external_address_parse(ExternalAddress *ret, const char *url);
/* NULL where it is no unix socket. */
const char *external_address_path(const ExternalAddress *address);

// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * kedge-dns: what kedged told it (dns/protocol.h), and the containers that it answers. It goes on when kedged dies;
 * with neither a kedged nor a container it ends.
 */
#include "base/attendant.h"

typedef struct DnsServer DnsServer;

typedef struct DnsServerOptions {
	AttendantSockets sockets; /* taken */
	const char *resolv_conf;
} DnsServerOptions;

fallible dns_server_new(DnsServer **ret, Loop *loop, const DnsServerOptions *options);
DnsServer *dns_server_free(DnsServer *server);
DEFINE_AUTOPTR(DnsServer, dns_server_free)

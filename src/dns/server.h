// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * kedge-dns: what kedged told it (dns/protocol.h), and the containers that it answers. It goes on when kedged dies;
 * with neither a kedged nor a container it ends.
 */
#include "base/loop.h"

typedef struct DnsServer DnsServer;

typedef struct DnsServerOptions {
	int listener;   /* of kedgeds */
	int connection; /* to the one that has started it; -1: none */
	const char *resolv_conf;
} DnsServerOptions;

/* Takes the descriptors. */
fallible dns_server_new(DnsServer **ret, Loop *loop, const DnsServerOptions *options);
DnsServer *dns_server_free(DnsServer *server);
DEFINE_AUTOPTR(DnsServer, dns_server_free)

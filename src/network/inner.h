// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * In a container's namespace: leads what goes to 127.0.0.11 port 53 to the ports on which kedge-dns has its sockets
 * there, and the answers back. Without connection tracking: two rewritten ports in the packet each way. The container's
 * own sockets on port 53, at any other address, are not touched.
 */
#include <stdint.h>

#include "base/error.h"

/* In the network namespace that the process is in (network/namespace.h). What an earlier call made is replaced. */
fallible inner_table_make(uint16_t udp_port, uint16_t tcp_port);

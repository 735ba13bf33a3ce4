// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * The shim's whole life, from the runtime's start to the last cleanup, in one loop over poll(2). See serve.c for its
 * phases.
 */
#include "shim/protocol.h"
#include "shim/settings.h"

enum {
	SHIM_FIRST_CONNECTION_FD = 3
}; /* a SOCK_SEQPACKET socket to whoever spawned the shim; absent when started by hand */

bool serve_is_spawned(void); /* has that socket; asked before anything else is opened */
/* Comes back when the container is over and nothing of it is left but its record. */
void serve(const ShimSettings *settings, ShimStatus *ret_status);

// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * `kedge-shim --relay`: serves the relayed sockets of one container from the host's network, for what the firewall
 * cannot forward: a port on [::] or [::1] of a container that has no IPv6. The container sees the host's address on its
 * network as the client's, as with Docker's proxy. The process has no rights, knows no names and looks at no byte that
 * it passes on.
 */
#include "base/error.h"
#include "shim/settings.h"

/* Comes back when it has been idle for a while, or the shim has gone. */
fallible relay_serve(const ShimSettings *settings);

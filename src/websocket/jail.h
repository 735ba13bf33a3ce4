// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * What surrounds kedge-ws: a user without rights and capabilities, who can open no file, make no socket and start
 * nothing, so that two connected sockets are all that is left. No namespaces of its own: they would cost each client
 * more than the rest of the process, and there is no call left that would show what lies outside of them.
 */
#include "base/error.h"

/* As root, with one thread. */
fallible websocket_jail_enter(const char *user);

// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Where an OCI runtime hands over the terminal that it made in a container (--console-socket): it connects and sends
 * the master's descriptor in one message. Source: opencontainers/runc docs/terminals.md, "Detached new terminal".
 */
#include "base/error.h"

extern const char console_name[]; /* in the bundle, the working directory */

fallible console_listen(int *ret_fd);
/* What was handed over before the runtime ended; -1: nothing. */
int console_take(int listen_fd);

// SPDX-License-Identifier: Apache-2.0
#pragma once
/* systemd's readiness and watchdog messages, sent to $NOTIFY_SOCKET when there is one. Source: sd_notify(3). */
#include <stdint.h>

#include "base/loop.h"

void notify(const char *state); /* "READY=1" */
/* systemd keeps the descriptor across a restart and hands it to the next kedged (FileDescriptorStoreMax=): who connects
 * meanwhile waits. */
void notify_store(int fd);
/* Feeds the watchdog from the loop at half of $WATCHDOG_USEC: a loop that hangs stops feeding. *ret is NULL when no
 * watchdog is asked for. */
fallible notify_watchdog(Source **ret, Loop *loop);

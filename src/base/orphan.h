// SPDX-License-Identifier: Apache-2.0
#pragma once
/* Children that nobody waits for any more, mostly because they were killed: they are reaped from the loop. */
#include <sys/types.h>

#include "base/loop.h"

void orphan_reap(Loop *loop, pid_t pid);

// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Tells a follower that something was written into a log directory. All watches of a loop share one inotify descriptor,
 * since a user has only 128; where the kernel gives none, a timer looks four times a second.
 */
#include "base/cleanup.h"
#include "base/error.h"
#include "base/loop.h"

typedef struct LogWatch LogWatch;

/* The handler must not free watches: it asks for a deferred call. */
fallible logwatch_new(LogWatch **ret, Loop *loop, const char *directory, LoopHandler *handler, void *arg);
LogWatch *logwatch_free(LogWatch *watch);

// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * One container's log on its way to its receiver: read (tail.h), made into messages (driver.h), sent (channel.h), and
 * how far is noted beside the log (shim/logplace.h). What cannot be sent waits in the log. Nothing is sent, written or
 * looked at while nothing is logged.
 */
#include "base/loop.h"
#include "telemetry/target.h"

typedef struct Forward Forward;

typedef struct ForwardFiles {
	int directory, place; /* place -1: it is not stored how far it came */
} ForwardFiles;

/* done: of a container that was removed, everything was sent or given up; called from the loop. */
Forward *forward_new(Loop *loop, LogTarget *take_target, ForwardFiles take_files, LoopHandler *done, void *arg);
Forward *forward_free(Forward *forward);
DEFINE_AUTOPTR(Forward, forward_free)
const LogTarget *forward_target(const Forward *forward);
void forward_set_target(Forward *forward, LogTarget *take_target); /* it has another name, say */
void forward_wake(Forward *forward);                               /* something was logged */
/* It is removed: these are its files, the oldest first. Takes them. */
void forward_last(Forward *forward, int *take_fds, size_t count);

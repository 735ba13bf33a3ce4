// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Removes links that nobody's start waits for. The kernel takes 10 to 30 ms to forget one, however many go at once: so
 * they are collected, and go together in a child process (kedge-shim --unplug) while the loop goes on. Until done is
 * called a link works, and its name is taken.
 */
#include "base/loop.h"
#include "network/netlink.h"

typedef struct Reaper Reaper;
typedef void ReaperDone(void *arg, Error *take_error); /* NULL: the link is gone */

fallible reaper_new(Reaper **ret, Loop *loop, const char *shim_path);
/* What is under way goes on by itself; nobody is told any more. */
Reaper *reaper_free(Reaper *reaper);
DEFINE_AUTOPTR(Reaper, reaper_free)

/* namespace_fd: -1: ours; borrowed. done (may be NULL) is called once, from the loop; a link that is not there is gone.
 */
fallible reaper_remove(Reaper *reaper, int namespace_fd, const char *name, ReaperDone *done, void *arg);

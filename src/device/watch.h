// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Notices changes of a few directories: one inotify instance for all of them. What is told is "look again", a moment
 * after the first of many events, and so often as they come; what has changed, the caller reads for itself. A directory
 * that is not there, or was exchanged, is looked for every now and then.
 */
#include "base/loop.h"

typedef struct Watch Watch;

typedef void WatchHandler(void *arg);

fallible watch_new(Watch **ret, Loop *loop, WatchHandler *handler, void *arg);
/* Before the directory is read: what happens from now on is told. */
void watch_add(Watch *watch, const char *directory);
/* Tells once more after delay_ns, whatever happens: something could not be read to its end. */
void watch_again(Watch *watch, int64_t delay_ns);
Watch *watch_free(Watch *watch); /* NULL is fine; returns NULL */
DEFINE_AUTOPTR(Watch, watch_free)

// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * The event loop: descriptors, timers, signals, deferred calls, child processes. libevent is seen by loop.c alone.
 * The maker of a Source owns it, and frees it before it closes the descriptor. Freeing a source stops it, also from its
 * own callback. An object that is to be released inside its own callback goes through loop_defer_free().
 */
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/cleanup.h"
#include "base/error.h"

typedef struct Loop Loop;
typedef struct Source Source;

enum { LOOP_READ = 1, LOOP_WRITE = 2 };

typedef void LoopIoHandler(void *arg, int fd, unsigned events);
typedef void LoopHandler(void *arg);
typedef void LoopExitHandler(
	void *arg, int wait_status); /* as waitpid(2) gives it; -1: somebody else reaped the child */

fallible loop_new(Loop **ret);
Loop *loop_free(Loop *loop); /* frees what waits in loop_defer_free(); sources stop, their makers still free them */
DEFINE_AUTOPTR(Loop, loop_free)

fallible loop_run(Loop *loop);      /* until loop_stop() */
fallible loop_run_once(Loop *loop); /* waits for and handles one round of events; for tests and clients */
void loop_stop(Loop *loop);

fallible loop_watch(Source **ret, Loop *loop, int fd, unsigned events, LoopIoHandler *handler, void *arg);
void source_set_events(Source *source, unsigned events); /* 0 pauses an I/O source */
/* A timer fires once after delay_ns on the monotonic clock; source_rearm() starts it again, negative stops it. */
fallible loop_timer(Source **ret, Loop *loop, int64_t delay_ns, LoopHandler *handler, void *arg);
void source_rearm(Source *timer, int64_t delay_ns);
void source_rearm_sooner(Source *timer, int64_t delay_ns); /* one that is due before that stays as it is */
/* Runs so long after the loop had something to do, once for everything it did meanwhile; one such source a loop. */
fallible loop_after_work(Source **ret, Loop *loop, int64_t delay_ns, LoopHandler *handler, void *arg);
fallible loop_signal(Source **ret, Loop *loop, int signal, LoopHandler *handler, void *arg);
/* Watches a child by pidfd and reaps it. The handler runs once; the source is still the maker's to free. */
fallible loop_child(Source **ret, Loop *loop, pid_t pid, LoopExitHandler *handler, void *arg);
/* Once, after the current callbacks have returned, in the same turn of the loop, whatever else is ready. The source
 * form can be freed to cancel. */
fallible loop_defer(Source **ret, Loop *loop, LoopHandler *handler, void *arg);
void loop_defer_free(Loop *loop, LoopHandler *free_handler, void *object);

Source *source_free(Source *source); /* NULL is fine; returns NULL */
DEFINE_AUTOPTR(Source, source_free)

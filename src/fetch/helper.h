// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * kedged's end of a jailed helper program: the process, started with a Channel as its descriptor 3, and the frames that
 * it sends. Handlers run from the loop and may free the helper. Freeing kills the process; it is reaped from the loop,
 * without waiting.
 */
#include <stddef.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/loop.h"
#include "fetch/channel.h"

enum { HELPER_CHANNEL_FD = 3 };

typedef struct Helper Helper;

typedef struct HelperHandlers {
	/* An error ends the helper. Descriptors that it sends are closed. */
	Error *(*frame)(void *arg, const Frame *frame);
	/* Once: the process ended or broke the protocol; no frame follows. */
	void (*ended)(void *arg, Error *take_error);
} HelperHandlers;

fallible helper_start(Helper **ret, Loop *loop, const char *const *argv, const HelperHandlers *handlers, void *arg);
Channel *helper_channel(Helper *helper); /* borrowed, to send with; then call helper_sent() */

/* After each sending, with what it returned: watches for the rest to go out. A process that is gone is no error here:
 * `ended` follows and tells its exit status. */
fallible helper_sent(Helper *helper, Error *take_error);

Helper *helper_free(Helper *helper);
DEFINE_AUTOPTR(Helper, helper_free)

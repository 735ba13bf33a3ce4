// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * A connection that was taken over: bytes go out as the socket takes them. A client may end its sending and still wants
 * all output; only one that closed whole has left. What it sends is left to who gets the connection next.
 */
#include "base/loop.h"

typedef struct RawStream RawStream;

typedef struct RawHandlers {
	void (*drained)(void *arg); /* the queue is empty again */
	void (*gone)(void *arg);    /* the client left; the stream is gone after it */
} RawHandlers;

/* fd is the stream's from now on. */
fallible raw_stream_new(RawStream **ret, Loop *loop, int fd, const RawHandlers *handlers, void *arg);
void raw_stream_write(RawStream *stream, const void *data, size_t length);
size_t raw_stream_pending(const RawStream *stream);
void raw_stream_end(RawStream *stream); /* sends the rest, closes, frees itself; handlers are not called any more */
/* Sends the rest, then gives its descriptor away and frees itself; gone() may come instead. */
void raw_stream_release(RawStream *stream, void (*released)(void *arg, int fd));
RawStream *raw_stream_free(RawStream *stream);
DEFINE_AUTOPTR(RawStream, raw_stream_free)

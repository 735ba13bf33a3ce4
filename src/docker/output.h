// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * A container's output on its way to a client, over a chunked answer or a connection that was taken over. Without a
 * terminal each piece is a frame: one byte stream, three zero bytes, four bytes length, the bytes. Source: moby
 * api/swagger.yaml, ContainerAttach, "Stream format". A client that reads slowly pauses the source; nothing is dropped
 * and memory stays bounded.
 */
#include "http/server.h"

typedef struct Output Output;

typedef struct OutputHandlers {
	void (*pause)(void *arg, bool paused);
	void (*drained)(void *arg); /* the client has been sent everything; may be NULL */
	void (*gone)(void *arg);    /* the client left; the output is gone after it */
} OutputHandlers;

enum { OUTPUT_PENDING_MAX = 1 << 20 };

Output *output_on_stream(
	HttpRequest *request, const char *content_type, bool framed, const OutputHandlers *handlers, void *arg);
/* fd of http_hijack(), owned from now on; what the client sends is left to output_release(). */
fallible output_on_fd(Output **ret, Loop *loop, int fd, bool framed, const OutputHandlers *handlers, void *arg);
void output_on_carry(
	Output *output, void (*carry)(void *arg, HttpCarry *ret), void *arg); /* as http_stream_on_carry() */
/* head comes before data in the same frame; may be NULL. */
void output_write(Output *output, int stream, const char *head, const void *data, size_t length);
/* The same in two steps: as it is to be written, and writing it. */
void output_frame(Buffer *out, bool framed, int stream, const void *data, size_t length);
void output_write_framed(Output *output, const void *data, size_t length);
bool output_is_drained(const Output *output);
void output_end(Output *output); /* sends the rest and ends; frees */
void output_break(
	Output *output); /* of output_on_stream(): ends in a way that tells the client that more should come; frees */
/* Of output_on_fd(): sends the rest, then gives the connection away and frees; or gone() comes. */
void output_release(Output *output, void (*released)(void *arg, int fd));
void output_abandon(Output *output); /* of output_on_fd(): closes at once */
const char *output_content_type(int version, bool framed);

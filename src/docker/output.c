// SPDX-License-Identifier: Apache-2.0
#include "docker/output.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "docker/raw_stream.h"

struct Output {
	HttpStream *http; /* one of these two */
	RawStream *raw;
	bool framed, paused;
	OutputHandlers handlers;
	void *arg;
	void (*released)(void *arg, int fd);
};

static size_t pending(const Output *output)
{
	return output->http ? http_stream_pending(output->http) : raw_stream_pending(output->raw);
}

static void put(Output *output, const void *data, size_t length)
{
	if (output->http)
		http_stream_write(output->http, data, length);
	else
		raw_stream_write(output->raw, data, length);
}

static void on_drain(void *arg)
{
	Output *output = arg;

	if (output->paused) {
		output->paused = false;
		output->handlers.pause(output->arg, false);
	}
	if (output->handlers.drained)
		output->handlers.drained(output->arg);
}

static void on_gone(void *arg)
{
	Output *output = arg;
	void (*gone)(void *) = output->handlers.gone;
	void *gone_arg = output->arg;

	free(output);
	gone(gone_arg);
}

static Output *output_new(bool framed, const OutputHandlers *handlers, void *arg)
{
	Output *output = mem_new(Output);

	output->framed = framed;
	output->handlers = *handlers;
	output->arg = arg;
	return output;
}

Output *output_on_stream(
	HttpRequest *request, const char *content_type, bool framed, const OutputHandlers *handlers, void *arg)
{
	Output *output = output_new(framed, handlers, arg);

	http_request_on_gone(request, on_gone, output);
	output->http = http_respond_stream(request, 200, content_type);
	http_stream_on_drain(output->http, on_drain, output);
	return output;
}

fallible output_on_fd(Output **ret, Loop *loop, int fd, bool framed, const OutputHandlers *handlers, void *arg)
{
	static const RawHandlers raw_handlers = {.drained = on_drain, .gone = on_gone};
	Output *output = output_new(framed, handlers, arg);
	Error *error = raw_stream_new(&output->raw, loop, fd, &raw_handlers, output);

	if (error) {
		free(output);
		return error;
	}
	*ret = output;
	return NULL;
}

void output_on_carry(Output *output, void (*carry)(void *arg, HttpCarry *ret), void *arg)
{
	if (output->http)
		http_stream_on_carry(output->http, carry, arg);
}

static void add_frame(Buffer *out, int stream, size_t length)
{
	unsigned char frame[8] = {stream, 0, 0, 0, length >> 24, length >> 16, length >> 8, length};

	buffer_add(out, frame, sizeof(frame));
}

void output_frame(Buffer *out, bool framed, int stream, const void *data, size_t length)
{
	if (framed)
		add_frame(out, stream, length);
	buffer_add(out, data, length);
}

void output_write_framed(Output *output, const void *data, size_t length)
{
	put(output, data, length);
	if (pending(output) > OUTPUT_PENDING_MAX && !output->paused) {
		output->paused = true;
		output->handlers.pause(output->arg, true);
	}
}

/* One piece, so that a raw connection gets it in one. */
static void write_behind_head(Output *output, int stream, const char *head, const void *data, size_t length)
{
	size_t head_length = head ? strlen(head) : 0;
	autoclear(Buffer) piece = {0};

	if (output->framed)
		add_frame(&piece, stream, head_length + length);
	buffer_add(&piece, head, head_length);
	buffer_add(&piece, data, length);
	output_write_framed(output, piece.data, piece.length);
}

void output_write(Output *output, int stream, const char *head, const void *data, size_t length)
{
	if (output->framed || head)
		write_behind_head(output, stream, head, data, length);
	else
		output_write_framed(output, data, length);
}

bool output_is_drained(const Output *output)
{
	return pending(output) == 0;
}

void output_end(Output *output)
{
	if (output->http)
		http_stream_end(output->http);
	else
		raw_stream_end(output->raw);
	free(output);
}

void output_break(Output *output)
{
	http_stream_break(output->http);
	free(output);
}

static void on_released(void *arg, int fd)
{
	Output *output = arg;
	void (*released)(void *, int) = output->released;
	void *released_arg = output->arg;

	free(output);
	released(released_arg, fd);
}

void output_release(Output *output, void (*released)(void *arg, int fd))
{
	output->released = released;
	raw_stream_release(output->raw, on_released);
}

void output_abandon(Output *output)
{
	raw_stream_free(output->raw);
	free(output);
}

const char *output_content_type(int version, bool framed)
{
	return framed && version >= 42 ? "application/vnd.docker.multiplexed-stream"
				       : "application/vnd.docker.raw-stream";
}

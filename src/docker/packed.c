// SPDX-License-Identifier: Apache-2.0
#include "docker/packed.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "docker/internal.h"
#include "docker/output.h"

typedef struct Packed {
	HttpRequest *request;
	Pack *pack;
	Output *output;   /* NULL before the first byte */
	PackedHead *head; /* NULL: none is awaited any more */
	Buffer line;
} Packed;

enum { LINE_MAX_BYTES = 16 << 10 };

static void packed_free(Packed *packed)
{
	pack_free(packed->pack);
	buffer_clear(&packed->line);
	free(packed);
}

static void on_gone(void *arg)
{
	packed_free(arg);
}

static void on_pause(void *arg, bool paused)
{
	Packed *packed = arg;

	pack_pause(packed->pack, paused);
}

/* How much of data the line takes. */
static size_t take_line(Packed *packed, const char *data, size_t length)
{
	size_t part = strnlen(data, length);
	Error *error = NULL;

	buffer_add(&packed->line, data, part);
	if (part < length) {
		error = packed->head(packed->request, buffer_text(&packed->line));
		packed->head = NULL;
		part++;
	}
	if (error)
		error_log(error, "an archive's first line");
	return part;
}

static void on_data(void *arg, const char *data, size_t length)
{
	static const OutputHandlers handlers = {.pause = on_pause, .gone = on_gone};
	Packed *packed = arg;
	size_t line = packed->head ? take_line(packed, data, length) : 0;

	if (line == length)
		return;
	if (!packed->output)
		packed->output = output_on_stream(packed->request, "application/x-tar", false, &handlers, packed);
	output_write(packed->output, 0, NULL, data + line, length - line);
}

static void on_ended(void *arg, Error *take_error)
{
	Packed *packed = arg;

	if (!packed->output && !take_error && packed->line.length && !packed->head) {
		respond_status(packed->request, 200);
	} else if (!packed->output) {
		http_respond_error(packed->request,
			take_error ? take_error : error_new(ERROR_INTERNAL, "\"kedge-pack\" wrote nothing"));
	} else if (take_error) {
		error_log(take_error, "an archive was broken off");
		output_break(packed->output);
	} else {
		output_end(packed->output);
	}
	packed_free(packed);
}

void packed_respond(HttpRequest *request, PackedStart *start, void *start_arg)
{
	packed_respond_behind(request, start, start_arg, NULL);
}

void packed_respond_behind(HttpRequest *request, PackedStart *start, void *start_arg, PackedHead *head)
{
	static const PackHandlers handlers = {.data = on_data, .ended = on_ended};
	Packed *packed = mem_new(Packed);
	Error *error = start(&packed->pack, &handlers, packed, start_arg);

	if (error) {
		free(packed);
		http_respond_error(request, error);
		return;
	}
	packed->request = request;
	packed->head = head;
	packed->line.limit = LINE_MAX_BYTES;
	http_request_on_gone(request, on_gone, packed);
}

// SPDX-License-Identifier: Apache-2.0
#include "docker/packed.h"

#include <stdlib.h>

#include "base/memory.h"
#include "docker/output.h"

typedef struct Packed {
	HttpRequest *request;
	Pack *pack;
	Output *output; /* NULL before the first byte */
} Packed;

static void packed_free(Packed *packed)
{
	pack_free(packed->pack);
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

static void on_data(void *arg, const char *data, size_t length)
{
	static const OutputHandlers handlers = {.pause = on_pause, .gone = on_gone};
	Packed *packed = arg;

	if (!packed->output)
		packed->output = output_on_stream(packed->request, "application/x-tar", false, &handlers, packed);
	output_write(packed->output, 0, NULL, data, length);
}

static void on_ended(void *arg, Error *take_error)
{
	Packed *packed = arg;

	if (!packed->output) {
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
	static const PackHandlers handlers = {.data = on_data, .ended = on_ended};
	Packed *packed = mem_new(Packed);
	Error *error = start(&packed->pack, &handlers, packed, start_arg);

	if (error) {
		free(packed);
		http_respond_error(request, error);
		return;
	}
	packed->request = request;
	http_request_on_gone(request, on_gone, packed);
}

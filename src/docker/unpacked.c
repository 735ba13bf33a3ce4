// SPDX-License-Identifier: Apache-2.0
#include "docker/unpacked.h"

#include <stdlib.h>

#include "base/memory.h"
#include "docker/internal.h"

typedef struct Unpacked {
	HttpRequest *request;
	Intake *intake;
} Unpacked;

static void unpacked_free(Unpacked *in)
{
	intake_free(in->intake);
	free(in);
}

static void on_drained(void *arg)
{
	Unpacked *in = arg;

	http_request_pause_body(in->request, false);
}

static void on_ended(void *arg, Error *take_error)
{
	Unpacked *in = arg;

	if (take_error)
		http_respond_error(in->request, take_error);
	else
		respond_status(in->request, 200);
	http_request_pause_body(in->request, false); /* the rest of it is thrown away */
	unpacked_free(in);
}

static void on_body(void *arg, const char *bytes, size_t length)
{
	Unpacked *in = arg;

	if (!intake_data(in->intake, bytes, length))
		http_request_pause_body(in->request, true);
}

static void on_body_end(void *arg, bool complete)
{
	Unpacked *in = arg;

	if (complete) {
		intake_finish(in->intake);
		return;
	}
	http_request_on_gone(in->request, NULL, NULL);
	unpacked_free(in);
}

static void on_gone(void *arg)
{
	unpacked_free(arg);
}

void unpacked_take(HttpRequest *request, UnpackedStart *start, void *start_arg)
{
	static const IntakeHandlers handlers = {.drained = on_drained, .ended = on_ended};
	Unpacked *in = mem_new(Unpacked);

	in->request = request;
	Error *error = start(&in->intake, &handlers, in, start_arg);
	if (error) {
		free(in);
		http_respond_error(request, error);
		return;
	}
	http_request_on_body(request, on_body, on_body_end, in);
	http_request_on_gone(request, on_gone, in);
}

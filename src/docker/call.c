// SPDX-License-Identifier: Apache-2.0
#include "docker/call.h"

#include <stdlib.h>

#include "base/memory.h"
#include "docker/internal.h"

struct Call {
	HttpRequest *request; /* NULL: the client left, the work goes on */
	Container *container;
	int status;
};

static void call_gone(void *arg)
{
	((Call *)arg)->request = NULL;
}

Call *call_new(HttpRequest *request, Container *container, int status)
{
	Call *call = mem_new(Call);

	call->request = request;
	call->container = container ? container_ref(container) : NULL;
	call->status = status;
	http_request_on_gone(request, call_gone, call);
	return call;
}

static void call_free(Call *call)
{
	container_unref(call->container);
	free(call);
}

void call_done(void *arg, Error *take_error)
{
	Call *call = arg;

	if (call->request && take_error)
		http_respond_error(call->request, take_error);
	else if (call->request)
		respond_status(call->request, call->status);
	else
		error_free(take_error); /* who asked has left; the container's state has it, too */
	call_free(call);
}

void call_settle(Call *call, Error *error, bool already)
{
	HttpRequest *request = call->request;

	if (!error && !already)
		return;
	http_request_on_gone(request, NULL, NULL);
	call_free(call);
	if (error)
		http_respond_error(request, error);
	else
		respond_status(request, 304);
}

// SPDX-License-Identifier: Apache-2.0
/* A path of a container as an archive, and what it is: work of a kedge-pack process. */
#include <stdlib.h>

#include "base/memory.h"
#include "engine/container_internal.h"
#include "engine/export.h"
#include "engine/files.h"

typedef struct CopyOut {
	Container *container;
	PackHandlers handlers;
	void *arg;
	char *path, *name;
	bool is_silent;
} CopyOut;

static void copy_out_free(void *object)
{
	CopyOut *copy = object;

	container_unref(copy->container);
	free(copy->path);
	free(copy->name);
	free(copy);
}

static void on_data(void *arg, const char *data, size_t length)
{
	CopyOut *copy = arg;

	if (!copy->is_silent)
		container_event(copy->container, "archive-path", NULL, NULL);
	copy->is_silent = true;
	copy->handlers.data(copy->arg, data, length);
}

/* Docker's words, which its command line looks for. */
static Error *explained(const CopyOut *copy, Error *take_error)
{
	if (!take_error || error_kind(take_error) != ERROR_NOT_FOUND)
		return take_error;
	error_free(take_error); /* said in other words */
	return error_new(
		ERROR_NOT_FOUND, "Could not find the file %.1000s in container %.300s", copy->path, copy->name);
}

static void on_ended(void *arg, Error *take_error)
{
	CopyOut *copy = arg;

	copy->handlers.ended(copy->arg, explained(copy, take_error));
}

fallible container_copy_out(
	Pack **ret, Container *container, const CopyRequest *request, const PackHandlers *handlers, void *arg)
{
	static const PackHandlers own = {.data = on_data, .ended = on_ended};
	autoclear(ContainerFiles) files = {.root = -1};
	PackOptions options = {.arguments = {request->look_only ? "--look" : "--copy", request->path}};
	CopyOut *copy;

	TRY(container_files_open(&files, container, false));
	if (files.root >= 0) {
		options.arguments[2] = PACK_ROOT;
		options.root_fd = files.root;
	} else {
		options.input = &files.description;
	}
	copy = mem_new(CopyOut);
	*copy = (CopyOut){container_ref(container), *handlers, arg, mem_strdup(request->path),
		mem_strdup(request->name), request->look_only};
	autoptr(Pack) pack = pack_new(container->engine, &own, copy);
	pack_own(pack, copy_out_free, copy);
	TRY(pack_begin(pack, &options));
	*ret = take(pack);
	return NULL;
}

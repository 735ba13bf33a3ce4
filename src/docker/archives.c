// SPDX-License-Identifier: Apache-2.0
/* Archives that go out: images saved, containers exported. */
#include "docker/internal.h"
#include "docker/packed.h"
#include "engine/export.h"

static fallible start_export(Pack **ret, const PackHandlers *handlers, void *arg, void *container)
{
	return container_export(ret, container, handlers, arg);
}

static void export_container(HttpRequest *request, void *context)
{
	Container *container = find_container(request, context);

	if (container)
		packed_respond(request, start_export, container);
}

typedef struct SaveQuery {
	Engine *engine;
	StringList names;
} SaveQuery;

static fallible start_save(Pack **ret, const PackHandlers *handlers, void *arg, void *start_arg)
{
	const SaveQuery *query = start_arg;

	return image_save(ret, query->engine, &query->names, handlers, arg);
}

static void save_image(HttpRequest *request, void *context)
{
	SaveQuery query = {.engine = docker_engine(context)};

	strings_add(&query.names, http_request_param(request, "name"));
	packed_respond(request, start_save, &query);
	strings_clear(&query.names);
}

static void save_images(HttpRequest *request, void *context)
{
	SaveQuery query = {.engine = docker_engine(context)};

	http_request_query_all(&query.names, request, "names");
	if (query.names.count)
		packed_respond(request, start_save, &query);
	else
		http_respond_error(request, error_new(ERROR_INVALID, "query parameter \"names\" is missing"));
	strings_clear(&query.names);
}

const HttpRoute archive_routes[] = {
	{"GET", "/containers/{id}/export", export_container, 0, 0},
	{"GET", "/images/get", save_images, 0, 0},
	{"GET", "/images/{name...}/get", save_image, 0, 0},
	{0},
};

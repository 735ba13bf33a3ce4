// SPDX-License-Identifier: Apache-2.0
/* /kedge/v1/volumes/{name}/archive, which Docker has no word for: a volume as a tar stream, and back. */
#include "engine/volume_archive.h"
#include "docker/internal.h"
#include "docker/packed.h"
#include "docker/unpacked.h"

typedef struct Place {
	Engine *engine;
	const char *name;
} Place;

static fallible start_export(Pack **ret, const PackHandlers *handlers, void *arg, void *start_arg)
{
	const Place *place = start_arg;

	return volume_export(ret, place->engine, place->name, handlers, arg);
}

static void export_volume(HttpRequest *request, void *context)
{
	Place place = {docker_engine(context), http_request_param(request, "name")};

	packed_respond(request, start_export, &place);
}

static fallible start_import(Intake **ret, const IntakeHandlers *handlers, void *arg, void *start_arg)
{
	const Place *place = start_arg;

	return volume_import(ret, place->engine, place->name, handlers, arg);
}

static void import_volume(HttpRequest *request, void *context)
{
	Place place = {docker_engine(context), http_request_param(request, "name")};

	unpacked_take(request, start_import, &place);
}

const HttpRoute volume_archive_routes[] = {
	{"GET", "/kedge/v1/volumes/{name}/archive", export_volume, 0, 0},
	{"PUT", "/kedge/v1/volumes/{name}/archive", import_volume, HTTP_BODY_STREAM, 0},
	{0},
};

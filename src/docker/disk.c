// SPDX-License-Identifier: Apache-2.0
/* GET /system/df: where the space went, by image, container and volume. */
#include <stdlib.h>

#include "docker/container_list.h"
#include "docker/container_sizes.h"
#include "docker/image_summary.h"
#include "docker/internal.h"
#include "docker/volume_list.h"

/* "type" may be given several times; without it, and before 1.42, everything is wanted. */
static bool is_wanted(const HttpRequest *request, const char *type)
{
	autoclear(StringList) types = {0};

	if (docker_version(request) >= 42)
		http_request_query_all(&types, request, "type");
	return types.count == 0 || strings_has(&types, type);
}

static fallible check_types(const HttpRequest *request)
{
	static const char *const known[] = {"container", "image", "volume", "build-cache"};
	autoclear(StringList) types = {0};

	if (docker_version(request) >= 42)
		http_request_query_all(&types, request, "type");
	for (size_t i = 0; i < types.count; i++)
		if (names_find(known, sizeof(known) / sizeof(known[0]), types.items[i]) < 0)
			return error_new(ERROR_INVALID, "unknown object type: %.64s", types.items[i]);
	return NULL;
}

static fallible write_images(Writer *writer, Engine *engine)
{
	autoptr(Table) users = image_users(engine);
	Image **images;
	size_t count;

	TRY(image_list(&images, &count, engine));
	autoptr(Table) layers = image_layers(images, count);
	const ImageUse use = {users, layers};
	write_int(writer, "LayersSize", image_layers_bytes(images, count));
	write_array(writer, "Images");
	for (size_t i = 0; i < count; i++)
		write_image_summary(writer, images[i], &images[i]->tags, &images[i]->digests, &use);
	write_array_end(writer);
	image_list_free(images, count);
	return NULL;
}

static void write_containers(Writer *writer, DockerApi *api, const ContainerSizes *sizes)
{
	Container **list;
	size_t count = container_list(&list, api->engine);

	write_array(writer, "Containers");
	for (size_t i = 0; i < count; i++)
		write_container_summary(writer, api, list[i], sizes);
	write_array_end(writer);
	free(list);
}

static fallible make_usage(Buffer *out, const HttpRequest *request, DockerApi *api, const ContainerSizes *sizes)
{
	Writer writer;

	writer_init(&writer, out);
	write_object(&writer, NULL);
	if (is_wanted(request, "image"))
		TRY(write_images(&writer, api->engine));
	if (is_wanted(request, "container"))
		write_containers(&writer, api, sizes);
	if (is_wanted(request, "volume"))
		write_volumes(&writer, api->engine, sizes);
	if (is_wanted(request, "build-cache"))
		write_raw(&writer, "BuildCache", "[]");
	if (docker_version(request) < 42)
		write_int(&writer, "BuilderSize", 0);
	write_object_end(&writer);
	return NULL;
}

static void respond_usage(HttpRequest *request, void *context, const ContainerSizes *sizes)
{
	autoclear(Buffer) out = {0};
	Error *error = make_usage(&out, request, context, sizes);

	respond_json_or_error(request, error, &out);
}

static void measure_and_respond(HttpRequest *request, void *context)
{
	autoclear(StringList) volumes = {0};
	Container **list;
	size_t count = container_list(&list, docker_engine(context));

	if (is_wanted(request, "volume"))
		volume_names(&volumes, docker_engine(context));
	sizes_measure_with_volumes(
		request, context, list, is_wanted(request, "container") ? count : 0, &volumes, respond_usage);
	free(list);
}

static void disk_usage(HttpRequest *request, void *context)
{
	Error *error = check_types(request);

	if (error)
		http_respond_error(request, error);
	else if (is_wanted(request, "container") || is_wanted(request, "volume"))
		measure_and_respond(request, context);
	else
		respond_usage(request, context, NULL);
}

const HttpRoute disk_routes[] = {
	{"GET", "/system/df", disk_usage, DOCKER_MONITOR, 0},
	{0},
};

// SPDX-License-Identifier: Apache-2.0
#include "docker/container_sizes.h"

#include <stdlib.h>

#include "base/memory.h"
#include "base/table.h"
#include "docker/internal.h"
#include "engine/export.h"
#include "engine/volume.h"

struct ContainerSizes {
	Table *by_id; /* container's id, or volume_key() -> its number in bytes */
	const int64_t *bytes;
};

typedef struct Measuring {
	HttpRequest *request;
	void *context;
	SizedHandler *handler;
	Sizes *sizes;
	StringList ids, paths;
} Measuring;

static void measuring_free(Measuring *measuring)
{
	sizes_free(measuring->sizes);
	strings_clear(&measuring->ids);
	strings_clear(&measuring->paths);
	free(measuring);
}

static void on_gone(void *arg)
{
	measuring_free(arg);
}

static void hand_on(const Measuring *measuring, const int64_t *bytes)
{
	autoptr(Table) by_id = table_new();
	const ContainerSizes sizes = {by_id, bytes};

	for (size_t i = 0; i < measuring->ids.count; i++)
		table_set(by_id, measuring->ids.items[i], (void *)&bytes[i]);
	http_request_on_gone(measuring->request, NULL, NULL);
	measuring->handler(measuring->request, measuring->context, &sizes);
}

static void on_done(void *arg, Error *take_error, const int64_t *bytes)
{
	Measuring *measuring = arg;

	if (take_error)
		http_respond_error(measuring->request, take_error);
	else
		hand_on(measuring, bytes);
	measuring_free(measuring);
}

static char *volume_key(const char *name)
{
	return string_printf("volume %s", name);
}

static void add_containers(Measuring *measuring, Container *const *containers, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		ContainerView view;
		container_view(containers[i], &view);
		strings_add(&measuring->ids, view.id);
		strings_printf(&measuring->paths, "%s/upper", view.state_directory);
	}
}

static void add_volumes(Measuring *measuring, Engine *engine, const StringList *names)
{
	for (size_t i = 0; i < names->count; i++) {
		autoclear(VolumeView) view = {0};
		Volume *volume;
		Error *error = volume_find(&volume, engine, names->items[i]);
		if (error) {
			error_free(error); /* it is gone: nothing is to be measured */
			continue;
		}
		volume_view(volume, &view);
		strings_take(&measuring->ids, volume_key(view.name));
		strings_add(&measuring->paths, view.path);
	}
}

static void measure(Measuring *measuring)
{
	HttpRequest *request = measuring->request;
	Error *error = sizes_measure(
		&measuring->sizes, docker_engine(measuring->context), &measuring->paths, on_done, measuring);

	if (!error) {
		http_request_on_gone(request, on_gone, measuring);
		return;
	}
	measuring_free(measuring);
	http_respond_error(request, error);
}

void sizes_measure_with_volumes(HttpRequest *request, void *context, Container *const *containers, size_t count,
	const StringList *volumes, SizedHandler *handler)
{
	Measuring *measuring = mem_new(Measuring);

	*measuring = (Measuring){.request = request, .context = context, .handler = handler};
	add_containers(measuring, containers, count);
	add_volumes(measuring, docker_engine(context), volumes);
	measure(measuring);
}

void container_sizes_measure(
	HttpRequest *request, void *context, Container *const *containers, size_t count, SizedHandler *handler)
{
	static const StringList none;

	sizes_measure_with_volumes(request, context, containers, count, &none, handler);
}

int64_t volume_size(const ContainerSizes *sizes, const char *name)
{
	autofree char *key = volume_key(name);
	const int64_t *bytes = table_get(sizes->by_id, key);

	return bytes ? *bytes : -1;
}

int64_t container_size(const ContainerSizes *sizes, const Container *container)
{
	const int64_t *bytes;
	ContainerView view;

	container_view(container, &view);
	bytes = table_get(sizes->by_id, view.id);
	return bytes && *bytes > 0 ? *bytes : 0;
}

void write_container_sizes(Writer *writer, const Container *container, const ContainerSizes *sizes)
{
	const int64_t *bytes;
	ContainerView view;

	if (!sizes)
		return;
	container_view(container, &view);
	bytes = table_get(sizes->by_id, view.id);
	if (!bytes)
		return;
	write_int(writer, "SizeRw", *bytes);
	write_int(writer, "SizeRootFs", *bytes < 0 ? -1 : *bytes + container_image_bytes(container));
}

// SPDX-License-Identifier: Apache-2.0
#include "docker/container_sizes.h"

#include <stdlib.h>

#include "base/memory.h"
#include "base/table.h"
#include "docker/internal.h"
#include "engine/export.h"

struct ContainerSizes {
	Table *by_id; /* container's id -> its number in bytes */
	const int64_t *bytes;
};

typedef struct Measuring {
	HttpRequest *request;
	void *context;
	SizedHandler *handler;
	Sizes *sizes;
	StringList ids;
} Measuring;

static void measuring_free(Measuring *measuring)
{
	sizes_free(measuring->sizes);
	strings_clear(&measuring->ids);
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

void container_sizes_measure(
	HttpRequest *request, void *context, Container *const *containers, size_t count, SizedHandler *handler)
{
	Measuring *measuring = mem_new(Measuring);
	Error *error = sizes_measure(&measuring->sizes, docker_engine(context), containers, count, on_done, measuring);

	if (error) {
		measuring_free(measuring);
		http_respond_error(request, error);
		return;
	}
	measuring->request = request;
	measuring->context = context;
	measuring->handler = handler;
	for (size_t i = 0; i < count; i++) {
		ContainerView view;
		container_view(containers[i], &view);
		strings_add(&measuring->ids, view.id);
	}
	http_request_on_gone(request, on_gone, measuring);
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

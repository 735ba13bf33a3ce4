// SPDX-License-Identifier: Apache-2.0
/* GET /system/df: where the space went, by image and container. */
#include <fcntl.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/files.h"
#include "base/table.h"
#include "docker/internal.h"
#include "engine/image.h"

/* ---- images: a layer that several have is counted once in the sum ---- */

static int64_t count_layers(Image **images, size_t count)
{
	autoptr(Table) seen = table_new();
	int64_t bytes = 0;

	for (size_t i = 0; i < count; i++) {
		for (size_t layer = 0; layer < images[i]->layer_count; layer++) {
			const Layer *own = &images[i]->layers[layer];
			if (!table_set(seen, own->diff_id.text, images[i]))
				bytes += own->bytes;
		}
	}
	return bytes;
}

static int64_t count_users(Engine *engine, const Image *image)
{
	Container **list;
	size_t count = container_list(&list, engine);
	int64_t users = 0;

	for (size_t i = 0; i < count; i++) {
		ContainerView view;
		container_view(list[i], &view);
		users += string_equal(view.image_id, image->id.text);
	}
	free(list);
	return users;
}

static void write_image(Writer *writer, Engine *engine, const Image *image)
{
	write_object(writer, NULL);
	write_string(writer, "Id", image->id.text);
	write_string(writer, "ParentId", "");
	write_strings(writer, "RepoTags", &image->tags);
	write_strings(writer, "RepoDigests", &image->digests);
	write_int(writer, "Created", image->created_ns / NANOS_PER_SECOND);
	write_int(writer, "Size", image->bytes);
	write_int(writer, "VirtualSize", image->bytes);
	write_int(writer, "SharedSize", 0);
	write_map(writer, "Labels", &image->labels);
	write_int(writer, "Containers", count_users(engine, image));
	write_object_end(writer);
}

static fallible write_images(Writer *writer, Engine *engine)
{
	Image **images;
	size_t count;

	TRY(image_list(&images, &count, engine));
	write_int(writer, "LayersSize", count_layers(images, count));
	write_array(writer, "Images");
	for (size_t i = 0; i < count; i++)
		write_image(writer, engine, images[i]);
	write_array_end(writer);
	image_list_free(images, count);
	return NULL;
}

/* ---- containers ---- */

static int64_t own_size(const ContainerView *view)
{
	autofree char *upper = path_join(view->state_directory, "upper");
	int64_t bytes = 0;
	Error *error = tree_size(&bytes, AT_FDCWD, upper);

	error_free(error); /* a directory that is gone holds nothing */
	return bytes;
}

static void write_container(Writer *writer, const Container *container)
{
	ContainerView view;

	container_view(container, &view);
	write_object(writer, NULL);
	write_string(writer, "Id", view.id);
	write_array(writer, "Names");
	write_stringf(writer, NULL, "/%s", view.name);
	write_array_end(writer);
	write_string(writer, "Image", view.spec->image);
	write_string(writer, "ImageID", view.image_id);
	write_string(writer, "Command", "");
	write_int(writer, "Created", view.created_ns / NANOS_PER_SECOND);
	write_raw(writer, "Ports", "[]");
	write_int(writer, "SizeRw", own_size(&view));
	write_map(writer, "Labels", &view.spec->labels);
	write_string(writer, "State", container_state_name(view.state));
	write_string(writer, "Status", container_state_name(view.state));
	write_raw(writer, "Mounts", "[]");
	write_object_end(writer);
}

static void write_containers(Writer *writer, Engine *engine)
{
	Container **list;
	size_t count = container_list(&list, engine);

	write_array(writer, "Containers");
	for (size_t i = 0; i < count; i++)
		write_container(writer, list[i]);
	write_array_end(writer);
	free(list);
}

static void disk_usage(HttpRequest *request, void *context)
{
	autoclear(Buffer) out = {0};
	Error *error;
	Writer writer;

	writer_init(&writer, &out);
	write_object(&writer, NULL);
	error = write_images(&writer, docker_engine(context));
	if (error) {
		http_respond_error(request, error);
		return;
	}
	write_containers(&writer, docker_engine(context));
	write_raw(&writer, "Volumes", "[]");
	write_raw(&writer, "BuildCache", "[]");
	write_int(&writer, "BuilderSize", 0);
	write_object_end(&writer);
	respond_json(request, 200, &out);
}

const HttpRoute disk_routes[] = {
	{"GET", "/system/df", disk_usage, 0, 0},
	{0},
};

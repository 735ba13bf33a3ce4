// SPDX-License-Identifier: Apache-2.0
#include "docker/image_summary.h"

#include <stdlib.h>

#include "base/clock.h"
#include "engine/container.h"

static char shared_mark;

/* ---- who uses it ---- */

Table *image_users(Engine *engine)
{
	Table *users = table_new();
	Container **list;
	size_t count = container_list(&list, engine);

	for (size_t i = 0; i < count; i++) {
		ContainerView view;
		container_view(list[i], &view);
		intptr_t number = (intptr_t)table_get(users, view.image_id);
		table_set(users, view.image_id, (void *)(number + 1));
	}
	free(list);
	return users;
}

int64_t image_users_of(const Table *users, const Image *image)
{
	return (intptr_t)table_get(users, image->id.text);
}

/* ---- layers ---- */

/* An image may have a layer twice: that shares nothing. */
static void add_layer(Table *layers, const Image *image, const char *diff_id)
{
	void *owner = table_get(layers, diff_id);

	if (owner != image)
		table_set(layers, diff_id, owner ? &shared_mark : (void *)image);
}

Table *image_layers(Image *const *images, size_t count)
{
	Table *layers = table_new();

	for (size_t i = 0; i < count; i++)
		for (size_t layer = 0; layer < images[i]->layer_count; layer++)
			add_layer(layers, images[i], images[i]->layers[layer].diff_id.text);
	return layers;
}

int64_t image_layers_bytes(Image *const *images, size_t count)
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

static int64_t shared_bytes(const Table *layers, const Image *image)
{
	int64_t bytes = 0;

	for (size_t i = 0; i < image->layer_count; i++)
		if (table_get(layers, image->layers[i].diff_id.text) == &shared_mark)
			bytes += image->layers[i].bytes;
	return bytes;
}

/* ---- the entry ---- */

void write_image_summary(
	Writer *writer, const Image *image, const StringList *tags, const StringList *digests, const ImageUse *use)
{
	write_object(writer, NULL);
	write_string(writer, "Id", image->id.text);
	write_string(writer, "ParentId", "");
	write_strings(writer, "RepoTags", tags);
	write_strings(writer, "RepoDigests", digests);
	write_int(writer, "Created", image->created_ns / NANOS_PER_SECOND);
	write_int(writer, "Size", image->bytes);
	write_int(writer, "VirtualSize", image->bytes);
	write_int(writer, "SharedSize", use->layers ? shared_bytes(use->layers, image) : -1);
	write_map(writer, "Labels", &image->labels);
	write_int(writer, "Containers", use->users ? image_users_of(use->users, image) : -1);
	write_object_end(writer);
}

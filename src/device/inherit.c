// SPDX-License-Identifier: Apache-2.0
#include "device/inherit.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "runtime/spec_words.h"

static bool is_of_image(const ImageConfig *image, const char *target)
{
	for (size_t i = 0; i < image->config.volumes.count; i++) {
		autofree char *path = spec_clean_path(image->config.volumes.items[i]);
		if (strcmp(path, target) == 0)
			return true;
	}
	return false;
}

static MountSpec *add_volume(ContainerSpec *spec, const char *target)
{
	MountSpec *mount = container_spec_add_mount(spec);

	mount->kind = MOUNT_VOLUME;
	mount->target = mem_strdup(target);
	return mount;
}

static bool has_same_options(const StringMap *a, const StringMap *b)
{
	for (size_t i = 0; i < a->count; i++)
		if (!string_equal(map_get(b, a->items[i].key), a->items[i].value))
			return false;
	return a->count == b->count;
}

/* It is there already, and may not be filled yet: then the new one's image is what it is filled from. */
static void inherit(ContainerSpec *spec, const MountSpec *before, const ImageConfig *image)
{
	MountSpec *mount = (MountSpec *)container_spec_mount_at(spec, before->target);

	if (!mount && is_of_image(image, before->target))
		mount = add_volume(spec, before->target);
	if (!mount || mount->kind != MOUNT_VOLUME || mount->source)
		return;
	if (!has_same_options(&mount->driver_options, &before->driver_options))
		return;
	mount->source = mem_strdup(before->source);
	mount->is_anonymous = mount->is_lent = true;
	mount->copies = before->copies;
}

void inherit_volumes(ContainerSpec *spec, const ContainerSpec *before, const ImageConfig *image)
{
	const MountSpec *mounts = before->mounts.items;

	for (size_t i = 0; i < before->mounts.count; i++)
		if (mounts[i].kind == MOUNT_VOLUME && mounts[i].is_anonymous && mounts[i].source)
			inherit(spec, &mounts[i], image);
}

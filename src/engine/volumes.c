// SPDX-License-Identifier: Apache-2.0
/*
 * A container's volumes: what its spec says becomes mounts of volumes by name, made where they are not there. A volume
 * whose name was made up goes with the container when that is asked for.
 */
#include <string.h>

#include "base/memory.h"
#include "engine/volume_internal.h"
#include "runtime/spec_words.h"
#include "json/fields.h"

/* ---- of other containers ---- */

static void lend(ContainerSpec *spec, const MountSpec *mount, bool read_only)
{
	const MountSpec *there = container_spec_mount_at(spec, mount->target);
	MountSpec *copy;

	if (there && !there->is_lent)
		return; /* the container's own comes first; of several lenders, the last */
	copy = there ? (MountSpec *)there : container_spec_add_mount(spec);
	fields_copy(mount_spec_fields, copy, mount);
	copy->is_lent = true;
	copy->as_mount = copy->copies = false;
	copy->read_only = mount->read_only || read_only;
	string_replace(&copy->mode, NULL);
}

/* "NAME", "NAME:ro", "NAME:rw" */
static fallible read_lender(Container **ret, bool *ret_read_only, Engine *engine, const char *text)
{
	size_t length = strcspn(text, ":");
	const char *mode = text[length] ? text + length + 1 : "rw";
	autofree char *name = mem_strndup(text, length);
	Error *missing;

	if (!length)
		return error_new(ERROR_INVALID, "volumes-from specification cannot be an empty string");
	if (!string_equal(mode, "ro") && !string_equal(mode, "rw") && !string_equal(mode, "z") &&
		!string_equal(mode, "Z"))
		return error_new(ERROR_INVALID, "invalid mode: %.100s", mode);
	*ret_read_only = string_equal(mode, "ro");
	missing = container_find(ret, engine, name);
	if (!missing)
		return NULL;
	/* A 404 of ours would make clients pull the image. */
	Error *error = error_new(ERROR_INVALID, "%s", error_message(missing));
	error_free(missing);
	return error;
}

static fallible lend_all(ContainerSpec *spec, Engine *engine, const char *text)
{
	Container *lender;
	bool read_only = false;

	TRY(read_lender(&lender, &read_only, engine, text));
	const FieldArray *mounts = &lender->record.spec.mounts;
	for (size_t i = 0; i < mounts->count; i++) {
		const MountSpec *mount = (const MountSpec *)mounts->items + i;
		if (mount->kind != MOUNT_TMPFS)
			lend(spec, mount, read_only);
	}
	return NULL;
}

/* ---- without a name ---- */

static fallible add_anonymous(ContainerSpec *spec, const char *path)
{
	autofree char *target = spec_clean_path(path);

	if (path[0] != '/')
		return error_new(ERROR_INVALID, "invalid volume specification: '%.300s'", path);
	if (container_spec_mount_at(spec, target))
		return NULL;
	MountSpec *mount = container_spec_add_mount(spec);
	mount->kind = MOUNT_VOLUME;
	mount->target = take(target);
	return NULL;
}

fallible volumes_resolve(ContainerSpec *spec, Engine *engine)
{
	for (size_t i = 0; i < spec->volumes_from.count; i++)
		TRY(lend_all(spec, engine, spec->volumes_from.items[i]));
	for (size_t i = 0; i < spec->volumes.count; i++)
		TRY(add_anonymous(spec, spec->volumes.items[i]));
	return NULL;
}

/* ---- making them ---- */

static fallible make_volume(MountSpec *mount, const ContainerSpec *spec, Engine *engine)
{
	const VolumeSpec wanted = {
		.name = mount->source,
		.driver = mount->as_mount ? mount->driver : spec->volume_driver,
		.options = mount->driver_options.count ? &mount->driver_options : NULL,
		.labels = mount->volume_labels.count ? &mount->volume_labels : NULL,
	};
	Volume *volume;

	if (mount->is_lent)
		return volume_find(&volume, engine, mount->source);
	TRY(volume_create(&volume, engine, &wanted));
	mount->is_anonymous = string_empty(mount->source);
	mount->copies = !mount->no_copy;
	string_replace(&mount->source, volume->name);
	return NULL;
}

fallible volumes_make(ContainerSpec *spec, Engine *engine)
{
	MountSpec *mounts = spec->mounts.items;

	for (size_t i = 0; i < spec->mounts.count; i++)
		if (mounts[i].kind == MOUNT_VOLUME)
			TRY(make_volume(&mounts[i], spec, engine));
	return NULL;
}

/* One that another container uses stays. */
void volumes_remove_anonymous(const ContainerSpec *spec, Engine *engine)
{
	const MountSpec *mounts = spec->mounts.items;

	for (size_t i = 0; i < spec->mounts.count; i++) {
		if (mounts[i].kind != MOUNT_VOLUME || !mounts[i].is_anonymous)
			continue;
		Error *error = volume_remove(engine, mounts[i].source, true);
		if (error && error_kind(error) == ERROR_CONFLICT)
			error = error_free(error);
		if (error)
			error_log(error, "volume \"%.12s\" stays", mounts[i].source);
	}
}

/* ---- while a container runs ---- */

fallible volumes_check(const Container *container)
{
	for (size_t i = 0; i < container->record.spec.mounts.count; i++) {
		const MountSpec *mount = container_volume(container, i);
		Volume *volume;
		if (mount)
			TRY(volume_find(&volume, container->engine, mount->source));
	}
	return NULL;
}

void volumes_mounted(const Container *container)
{
	for (size_t i = 0; i < container->record.spec.mounts.count; i++) {
		const MountSpec *mount = container_volume(container, i);
		if (mount)
			event_emit(container->engine, "volume", "mount", mount->source, "driver", VOLUME_DRIVER,
				"container", container->id, "destination", mount->target, "read/write",
				mount->read_only ? "false" : "true", "propagation", "", NULL);
	}
}

void volumes_unmounted(const Container *container)
{
	for (size_t i = 0; i < container->record.spec.mounts.count; i++) {
		const MountSpec *mount = container_volume(container, i);
		if (mount)
			event_emit(container->engine, "volume", "unmount", mount->source, "driver", VOLUME_DRIVER,
				"container", container->id, NULL);
	}
}

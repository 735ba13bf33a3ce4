// SPDX-License-Identifier: Apache-2.0
/*
 * A container's volumes: what its spec says becomes mounts of volumes by name, made where they are not there. A volume
 * whose name was made up goes with the container when that is asked for.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fault.h"
#include "base/files.h"
#include "base/log.h"
#include "base/memory.h"
#include "engine/volume_internal.h"
#include "runtime/spec_words.h"
#include "store/snapshots.h"
#include "store/volumes.h"
#include "volume/mount.h"
#include "volume/prepare.h"

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
		.is_staged = string_empty(mount->source),
	};
	Volume *volume;

	if (mount->is_lent)
		return volume_find(&volume, engine, mount->source);
	TRY(volume_create(&volume, engine, &wanted));
	mount->is_anonymous = string_empty(mount->source);
	mount->copies = !mount->no_copy && !mount->subpath; /* the image has nothing for a part of it */
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

/* The container's own without a name; NULL: this is none. */
static Volume *anonymous(const ContainerSpec *spec, size_t index, Engine *engine)
{
	const MountSpec *mount = (const MountSpec *)spec->mounts.items + index;

	return mount->kind == MOUNT_VOLUME && mount->is_anonymous ? table_get(engine->volumes, mount->source) : NULL;
}

fallible volumes_put_anonymous(const ContainerSpec *spec, Engine *engine)
{
	for (size_t i = 0; i < spec->mounts.count; i++) {
		const Volume *volume = anonymous(spec, i, engine);
		if (volume)
			TRY(volume_put_record(volume));
	}
	return NULL;
}

/* Of a container that did not come to be. */
void volumes_remove_anonymous(const ContainerSpec *spec, Engine *engine)
{
	for (size_t i = 0; i < spec->mounts.count; i++) {
		Volume *volume = anonymous(spec, i, engine);
		autofree char *name = volume ? mem_strdup(volume->name) : NULL;
		Error *error = volume ? volume_remove(engine, name, true) : NULL;
		if (error && error_kind(error) == ERROR_CONFLICT)
			error = error_free(error); /* another's */
		if (error)
			error_log(error, "volume \"%.12s\" stays", name);
	}
}

static bool is_used_by_others(const Container *container, const Volume *volume)
{
	list_each(&container->engine->container_order, Container, link, other)
		if (other != container && container_uses_volume(other, volume->name))
			return true;
	return false;
}

void volumes_that_go(StringList *ret, const Container *container)
{
	const ContainerSpec *spec = &container->record.spec;

	if (!container->remove_volumes && !spec->auto_remove)
		return;
	for (size_t i = 0; i < spec->mounts.count; i++) {
		const Volume *volume = anonymous(spec, i, container->engine);
		if (volume && !volume->readers && !is_used_by_others(container, volume) &&
			!strings_has(ret, volume->name))
			strings_add(ret, volume->name);
	}
}

void volumes_gone(const StringList *names, Engine *engine)
{
	for (size_t i = 0; i < names->count; i++)
		volume_gone(table_get(engine->volumes, names->items[i]));
}

/* ---- mounting and filling: in a child ---- */

static bool is_filled(const Container *container, const MountSpec *mount)
{
	autofree char *data = volume_data_path(container->engine, mount->source);

	return !volume_is_empty(AT_FDCWD, data, VOLUME_COPY);
}

/* A child was killed: what it has copied is whole, and only in another place. */
static bool is_half_moved(const Container *container, const MountSpec *mount)
{
	autofree char *copied = string_printf("%s/%s/" VOLUME_COPIED, container->engine->volumes_path, mount->source);

	return file_exists(AT_FDCWD, copied);
}

/* Whether this mount has work for a child; one that is mounted cannot be looked into here, since it may not answer. */
static bool has_work(const Container *container, const MountSpec *mount, const Volume *volume)
{
	autofree char *data = volume_data_path(container->engine, mount->source);

	if (volume_has_mount(volume))
		return mount->copies || (container->state == CONTAINER_STARTING && !volume_is_mounted(data));
	return is_half_moved(container, mount) || (mount->copies && !is_filled(container, mount));
}

typedef struct Preparation {
	VolumeWork *items;
	size_t count;
	StringList directories;
	bool is_blocked; /* one of them is being unmounted */
} Preparation;

static void preparation_clear(Preparation *preparation)
{
	free(preparation->items);
	strings_clear(&preparation->directories);
}
DEFINE_AUTOCLEAR(Preparation, preparation_clear)

static void add_work(Preparation *preparation, const Container *container, const MountSpec *mount)
{
	const Volume *volume = table_get(container->engine->volumes, mount->source);

	if (!volume || !has_work(container, mount, volume))
		return;
	preparation->is_blocked |= volume->leaving != NULL;
	strings_printf(&preparation->directories, "%s/%s", container->engine->volumes_path, volume->name);
	preparation->items[preparation->count++] = (VolumeWork){
		.directory = preparation->directories.items[preparation->directories.count - 1],
		.target = mount->copies ? mount->target : NULL,
		.type = map_get(&volume->record.options, "type"),
		.device = map_get(&volume->record.options, "device"),
		.o = map_get(&volume->record.options, "o"),
	};
}

static void find_work(Preparation *ret, const Container *container)
{
	size_t count = container->record.spec.mounts.count;

	ret->items = mem_array(NULL, count + 1, sizeof(*ret->items));
	for (size_t i = 0; i < count; i++)
		if (container_volume(container, i))
			add_work(ret, container, container_volume(container, i));
}

static void prepared(void *arg, Error *take_error);

static fallible begin(Container *container, const Preparation *preparation)
{
	Store *store = container->engine->store;
	autofree char *upper = snapshot_path(store, container->id, "upper"), *layers = layers_path(store);
	autoptr(Image) image = NULL;

	TRY(image_pinned(&image, store, container->id));
	if (!image)
		return error_new(ERROR_NOT_FOUND, "No such image: %s", container->record.image_id);
	autofree char *lower = snapshot_lower(image);
	const VolumeWorks works = {
		.items = preparation->items,
		.count = preparation->count,
		.mounts = container->state == CONTAINER_STARTING,
		.data = VOLUME_DATA,
		.copy = VOLUME_COPY,
		.copied = VOLUME_COPIED,
		.upper = upper,
		.layers = layers,
		.lower = lower,
	};
	TRY(fault("engine.volumes.prepare"));
	TRY(aside_start(
		&container->preparing, container->engine->loop, volumes_prepare, &works, -1, prepared, container));
	container_ref(container);
	return NULL;
}

/* Nothing is left to copy: it was, or it is somebody's data by now. */
static void note_filled(Container *container)
{
	MountSpec *mounts = container->record.spec.mounts.items;
	bool is_news = false;

	for (size_t i = 0; i < container->record.spec.mounts.count; i++) {
		is_news |= mounts[i].copies;
		mounts[i].copies = false;
	}
	if (is_news)
		container_save_or_log(container);
}

fallible volumes_await(Container *container, bool *ret_waits)
{
	autoclear(Preparation) preparation = {0};

	*ret_waits = true;
	if (container->preparing)
		return NULL;
	find_work(&preparation, container);
	container->prepares_later = preparation.is_blocked;
	if (preparation.is_blocked)
		return NULL;
	*ret_waits = preparation.count > 0;
	if (!*ret_waits) {
		note_filled(container);
		return NULL;
	}
	Error *error = begin(container, &preparation);
	*ret_waits = !error;
	return error;
}

static void go_on(Container *container, const Error *error)
{
	if (!container->launch_when_gone || container->shim || container->cleaning)
		return;
	container->launch_when_gone = false;
	if (error)
		container_launch_failed(container, EXIT_START_FAILED, error_copy(error));
	else
		container_launch_later(container);
}

static void prepared(void *arg, Error *take_error)
{
	Container *container = arg;

	container->preparing = aside_free(container->preparing);
	if (!take_error)
		note_filled(container);
	completions_finish(&container->fills, take_error);
	go_on(container, take_error);
	error_free(take_error); /* each had its copy */
	volumes_release(container->engine);
	container_unref(container);
}

bool container_has_volumes_to_fill(const Container *container)
{
	autoclear(Preparation) preparation = {0};

	find_work(&preparation, container);
	for (size_t i = 0; i < preparation.count; i++)
		if (preparation.items[i].target)
			return true;
	return false;
}

void container_fill_volumes(Container *container, ContainerDone *done, void *arg)
{
	bool waits;
	Error *error = volumes_await(container, &waits);

	if (!error && waits)
		completion_add(&container->fills, done, arg);
	else
		completion_later(container->engine, done, arg, error);
}

void volumes_forget(Container *container)
{
	Error *error = error_new(ERROR_CONFLICT, "container %s is being removed", container->id);

	container->prepares_later = false;
	if (container->preparing)
		container_unref(container);
	container->preparing = aside_free(container->preparing);
	completions_finish(&container->fills, error);
	error_free(error); /* each had a copy */
}

/* ---- unmounting ---- */

bool volume_is_at_work(const Volume *volume)
{
	if (volume->readers)
		return true;
	list_each(&volume->engine->container_order, Container, link, container)
		if ((container_is_live(container) || container->preparing) &&
			container_uses_volume(container, volume->name))
			return true;
	return false;
}

/* In the volume's directory, wherever a removal has moved that meanwhile. */
static Error *unmount(const void *data)
{
	if (fchdir(STDIN_FILENO) < 0)
		return error_errno(errno, "could not enter the volume's directory");
	return volume_unmount(data);
}

static void prepare_again(Container *container)
{
	bool waits;
	Error *error = volumes_await(container, &waits);

	if (error || !waits) {
		completions_finish(&container->fills, error);
		go_on(container, error);
	}
	error_free(error); /* told */
}

static void unmounted(void *arg, Error *take_error)
{
	Volume *volume = arg;
	Engine *engine = volume->engine;

	if (take_error)
		error_log(take_error, "volume \"%s\" stays mounted", volume->name);
	volume->leaving = aside_free(volume->leaving);
	if (volume->is_removed) {
		volume_free(volume);
		engine_sweep_soon(engine);
		return;
	}
	list_each(&engine->container_order, Container, link, container)
		if (container->prepares_later)
			prepare_again(container);
}

static fallible start_unmount(Volume *volume)
{
	autofree char *path = path_join(volume->engine->volumes_path, volume->name);
	autofd directory = -1;

	TRY(file_open(&directory, AT_FDCWD, path, O_PATH | O_DIRECTORY, 0));
	return aside_start(&volume->leaving, volume->engine->loop, unmount, VOLUME_DATA, directory, unmounted, volume);
}

static void release(Volume *volume)
{
	autofree char *data = volume_data_path(volume->engine, volume->name);

	if (volume->leaving || volume_is_at_work(volume) || !volume_is_mounted(data))
		return;
	Error *error = start_unmount(volume);
	if (error)
		error_log(error, "volume \"%s\" stays mounted", volume->name);
}

void volumes_release(Engine *engine)
{
	list_each(&engine->volume_order, Volume, link, volume)
		if (volume_has_mount(volume))
			release(volume);
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
	volumes_release(container->engine);
	for (size_t i = 0; i < container->record.spec.mounts.count; i++) {
		const MountSpec *mount = container_volume(container, i);
		if (mount)
			event_emit(container->engine, "volume", "unmount", mount->source, "driver", VOLUME_DRIVER,
				"container", container->id, NULL);
	}
}

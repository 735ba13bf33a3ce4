// SPDX-License-Identifier: Apache-2.0
#include "engine/volume_archive.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fault.h"
#include "base/files.h"
#include "base/log.h"
#include "base/memory.h"
#include "engine/volume_internal.h"
#include "store/volumes.h"
#include "volume/mount.h"
#include "volume/prepare.h"

#define LOOK_AGAIN (10 * NANOS_PER_MILLI) /* for a file system to be unmounted */

/* ---- out ---- */

typedef struct VolumeExport {
	Volume *volume;
	Pack *pack; /* whose object this is */
	Source *timer;
	Aside *mounting;
} VolumeExport;

static void export_free(void *object)
{
	VolumeExport *export = object;

	source_free(export->timer);
	aside_free(export->mounting);
	export->volume->readers--;
	volumes_release(export->volume->engine);
	free(export);
}

static fallible export_begin(VolumeExport *export)
{
	autofree char *data = volume_data_path(export->volume->engine, export->volume->name);
	const PackOptions options = {.arguments = {"--volume", data}};

	TRY(fault("engine.volume.export"));
	return pack_begin(export->pack, &options);
}

static void on_mounted(void *arg, Error *take_error)
{
	VolumeExport *export = arg;

	export->mounting = aside_free(export->mounting);
	Error *error = take_error ? take_error : export_begin(export);
	if (error)
		pack_fail(export->pack, error);
}

static fallible export_mount(VolumeExport *export)
{
	const Volume *volume = export->volume;
	autofree char *directory = path_join(volume->engine->volumes_path, volume->name);
	const VolumeWork work = {
		.directory = directory,
		.type = map_get(&volume->record.options, "type"),
		.device = map_get(&volume->record.options, "device"),
		.o = map_get(&volume->record.options, "o"),
	};
	const VolumeWorks works = {.items = &work,
		.count = 1,
		.mounts = true,
		.data = VOLUME_DATA,
		.copy = VOLUME_COPY,
		.copied = VOLUME_COPIED};

	return aside_start(&export->mounting, volume->engine->loop, volumes_prepare, &works, -1, on_mounted, export);
}

static void on_turn(void *arg)
{
	VolumeExport *export = arg;
	autofree char *data = volume_data_path(export->volume->engine, export->volume->name);

	if (export->volume->leaving) {
		source_rearm(export->timer, LOOK_AGAIN);
		return;
	}
	Error *error = volume_is_mounted(data) ? export_begin(export) : export_mount(export);
	if (error)
		pack_fail(export->pack, error);
}

fallible volume_export(Pack **ret, Engine *engine, const char *name, const PackHandlers *handlers, void *arg)
{
	Volume *volume;

	TRY(volume_find(&volume, engine, name));
	autoptr(Pack) pack = pack_new(engine, handlers, arg);
	VolumeExport *export = mem_new(VolumeExport);
	*export = (VolumeExport){.volume = volume, .pack = pack};
	volume->readers++;
	pack_own(pack, export_free, export);
	if (volume_has_mount(volume))
		TRY(loop_timer(&export->timer, engine->loop, 0, on_turn, export));
	else
		TRY(export_begin(export));
	*ret = take(pack);
	return NULL;
}

/* ---- in ---- */

typedef struct VolumeImport {
	Engine *engine;
	char *name, *staged; /* staged: below the store's root */
} VolumeImport;

/* Who has the old directory mounted would go on with it, and be alone there. */
static fallible check_idle(const Volume *volume)
{
	autoclear(StringList) ids = {0};

	if (volume->readers)
		return error_new(ERROR_CONFLICT, "volume %s is being exported", volume->name);
	list_each(&volume->engine->container_order, Container, link, container)
		if ((container_is_live(container) || container->preparing || container->copies) &&
			container_uses_volume(container, volume->name))
			strings_add(&ids, container->id);
	if (!ids.count)
		return NULL;
	autofree char *joined = strings_join(&ids, ", ");
	return error_hint(
		error_new(ERROR_CONFLICT, "volume %s is in use by running containers - [%s]", volume->name, joined),
		"stop them first");
}

static fallible import_put_in_place(const VolumeImport *import)
{
	Volume *volume;

	TRY(volume_find(&volume, import->engine, import->name)); /* it may have been removed meanwhile */
	TRY(check_idle(volume));
	TRY(fault("engine.volume.import"));
	return volume_exchange(import->engine->store, import->name, import->staged);
}

static Error *import_end(void *owner, Error *take_error)
{
	const VolumeImport *import = owner;
	Error *error = take_error ? take_error : import_put_in_place(import);
	Error *stays = error ? store_discard(import->engine->store, import->staged) : NULL;

	if (stays)
		error_log(stays, "\"%s\" stays until the next start", import->staged);
	engine_sweep_soon(import->engine);
	return error ? error_wrap(error, "import into volume %s, which is as it was", import->name) : NULL;
}

static void import_free(void *owner)
{
	VolumeImport *import = owner;

	free(import->name);
	free(import->staged);
	free(import);
}

/* An archive that says nothing of its root leaves the volume's directory as it is. */
static fallible make_staged(int *ret, const VolumeImport *import)
{
	autofree char *data = volume_data_path(import->engine, import->name);
	int store = store_dir(import->engine->store), fd = -1;
	struct stat status;

	TRY(dir_open(&fd, AT_FDCWD, data));
	autofd old = fd;
	TRY(dir_make(store, import->staged, 0700));
	TRY(dir_open(&fd, store, import->staged));
	autofd staged = fd;
	if (fstat(old, &status) < 0 || fchown(staged, status.st_uid, status.st_gid) < 0 ||
		fchmod(staged, status.st_mode & 07777) < 0)
		return error_errno(errno, "could not set the owner of \"%s\"", import->staged);
	*ret = take_fd(&staged);
	return NULL;
}

static VolumeImport *import_new(Engine *engine, const char *name)
{
	VolumeImport *import = mem_new(VolumeImport);
	char random[17];

	string_random_hex(random, 16);
	*import = (VolumeImport){engine, mem_strdup(name), string_printf("staging/volume-%s", random)};
	return import;
}

static fallible check_target(const Volume *volume)
{
	if (volume_has_mount(volume))
		return error_hint(
			error_new(ERROR_UNSUPPORTED,
				"volume %s has a file system of its own: what is in it cannot be exchanged in "
				"one step",
				volume->name),
			"copy into a container that has it: kedge cp - NAME:PATH");
	return check_idle(volume);
}

fallible volume_import(Intake **ret, Engine *engine, const char *name, const IntakeHandlers *handlers, void *arg)
{
	static const IntakeOwner owner = {.end = import_end, .free = import_free};
	static const UnpackCopy copy = {.path = "/", .is_root = true};
	Volume *volume;
	int fd = -1;

	TRY(volume_find(&volume, engine, name));
	TRY(check_target(volume));
	autoptr(Intake) intake = intake_new(engine, handlers, arg);
	VolumeImport *import = import_new(engine, name);
	intake_own(intake, &owner, import);
	TRY(make_staged(&fd, import));
	autofd staged = fd;
	TRY(intake_begin(intake, staged, &copy, true));
	*ret = take(intake);
	return NULL;
}

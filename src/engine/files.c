// SPDX-License-Identifier: Apache-2.0
#include "engine/files.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/files.h"
#include "base/member.h"
#include "base/memory.h"
#include "base/rootfs.h"
#include "engine/volume_internal.h"
#include "store/snapshots.h"

void container_files_clear(ContainerFiles *files)
{
	if (files->root > 0)
		close_fd(&files->root);
	buffer_clear(&files->description);
}

/* ---- one that runs ---- */

/* -1: it has just ended. What is open of a process in /proc stays that process's. */
static int open_root(const Container *container)
{
	autofree char *path = string_printf("/proc/%lld", (long long)container->record.pid);
	autofd process = -1;
	int root;

	error_free(file_open(&process, AT_FDCWD, path, O_PATH | O_DIRECTORY, 0)); /* it has ended */
	if (process < 0 || !member_of(container->cgroup, process, "."))
		return -1;
	root = openat(process, "root", O_PATH | O_DIRECTORY | O_CLOEXEC);
	return root;
}

/* ---- one that does not ---- */

static int compare_targets(const void *a, const void *b)
{
	return strcmp((*(const MountSpec *const *)a)->target, (*(const MountSpec *const *)b)->target);
}

/* NULL: it is of no use to a container that does not run. */
static char *source_of(const Engine *engine, const MountSpec *mount)
{
	if (mount->kind == MOUNT_VOLUME)
		return volume_data_path(engine, mount->source);
	return mount->kind == MOUNT_BIND ? mem_strdup(mount->source) : NULL;
}

static void describe_binds(Buffer *out, const Engine *engine, const ContainerSpec *spec)
{
	autofree const MountSpec **sorted = mem_array(NULL, spec->mounts.count + 1, sizeof(*sorted));
	size_t count = spec->mounts.count;

	for (size_t i = 0; i < count; i++)
		sorted[i] = (const MountSpec *)spec->mounts.items + i;
	qsort(sorted, count, sizeof(*sorted), compare_targets);
	for (size_t i = 0; i < count; i++) {
		autofree char *source = source_of(engine, sorted[i]);
		if (source)
			rootfs_write_bind(out, source, sorted[i]->target, sorted[i]->read_only, sorted[i]->subpath);
	}
}

static fallible describe(Buffer *out, const Container *container, bool stays)
{
	Store *store = container->engine->store;
	autofree char *upper = snapshot_path(store, container->id, "upper");
	autofree char *work = snapshot_path(store, container->id, "work");
	autofree char *layers = layers_path(store);
	autoptr(Image) image = NULL;

	TRY(image_pinned(&image, store, container->id));
	if (!image)
		return error_new(ERROR_NOT_FOUND, "No such image: %s", container->record.image_id);
	autofree char *lower = snapshot_lower(image);
	const RootfsPlan plan = {.layers = layers,
		.lower = lower,
		.upper = upper,
		.work = stays ? work : NULL,
		.read_only = container->record.spec.read_only_root};
	rootfs_write(out, &plan);
	describe_binds(out, container->engine, &container->record.spec);
	return NULL;
}

fallible container_files_open(ContainerFiles *ret, const Container *container, bool stays)
{
	ret->root = container_is_live(container) && container->record.pid ? open_root(container) : -1;
	return ret->root < 0 ? describe(&ret->description, container, stays) : NULL;
}

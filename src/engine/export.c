// SPDX-License-Identifier: Apache-2.0
#include "engine/export.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/files.h"
#include "engine/container_internal.h"
#include "store/snapshots.h"

enum { PROC_STATUS_MAX = 64 << 10 };

/* ---- one that runs: what its shim has mounted, before the container's own mounts ---- */

/* The shim reaps for its container: it is the parent of the container's init. 0: it has just ended. */
static long shim_of(int64_t init)
{
	autofree char *path = string_printf("/proc/%lld/stat", (long long)init);
	autofree char *text = NULL;
	Error *error = file_read(&text, NULL, AT_FDCWD, path, PROC_STATUS_MAX);
	const char *name_end = error ? NULL : strrchr(text, ')');
	long parent = 0;

	error_free(error); /* it has ended */
	if (name_end)
		sscanf(name_end + 1, " %*c %ld", &parent);
	return parent;
}

/* -1: the container has just ended. */
static int open_mounted(const Container *container)
{
	autofree char *path =
		string_printf("/proc/%ld/root%s/rootfs", shim_of(container->record.pid), container->bundle);
	int fd = -1;

	error_free(dir_open(&fd, AT_FDCWD, path)); /* it has ended: its layers are looked at */
	return fd;
}

static fallible export_mounted(
	Pack **ret, const Container *container, int root, const PackHandlers *handlers, void *arg)
{
	const PackOptions options = {.arguments = {"--tree", PACK_ROOT}, .root_fd = root};

	return pack_start(ret, container->engine, &options, handlers, arg);
}

/* ---- one that does not: its layers ---- */

static fallible pack_upper(
	Pack **ret, const Container *container, const char *how, const PackHandlers *handlers, void *arg)
{
	Store *store = container->engine->store;
	autofree char *upper = snapshot_path(store, container->id, "upper");
	autofree char *layers = layers_path(store);
	autoptr(Image) image = NULL;

	TRY(image_pinned(&image, store, container->id));
	if (!image)
		return error_new(ERROR_NOT_FOUND, "No such image: %s", container->record.image_id);
	autofree char *lower = snapshot_lower(image);
	PackOptions options = {.arguments = {how, upper}, .directory = layers};
	if (!string_empty(lower)) {
		options.arguments[2] = "--lower";
		options.arguments[3] = lower;
	}
	return pack_start(ret, container->engine, &options, handlers, arg);
}

static fallible export_stacked(Pack **ret, const Container *container, const PackHandlers *handlers, void *arg)
{
	return pack_upper(ret, container, "--tree", handlers, arg);
}

fallible container_changes(Pack **ret, Container *container, bool as_layer, const PackHandlers *handlers, void *arg)
{
	return pack_upper(ret, container, as_layer ? "--difference" : "--changes", handlers, arg);
}

static fallible check_state(const Container *container)
{
	if (container->state == CONTAINER_DEAD)
		return error_new(ERROR_CONFLICT, "You cannot export container %s which is Dead", container->id);
	if (container->state == CONTAINER_REMOVING)
		return error_new(
			ERROR_CONFLICT, "You cannot export container %s which is being removed", container->id);
	return NULL;
}

fallible container_export(Pack **ret, Container *container, const PackHandlers *handlers, void *arg)
{
	autofd root = -1;

	TRY(check_state(container));
	if (container_is_live(container) && container->record.pid)
		root = open_mounted(container);
	if (root >= 0)
		TRY(export_mounted(ret, container, root, handlers, arg));
	else
		TRY(export_stacked(ret, container, handlers, arg));
	container_event(container, "export", NULL, NULL);
	return NULL;
}

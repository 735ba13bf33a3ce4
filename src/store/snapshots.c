// SPDX-License-Identifier: Apache-2.0
#include "store/snapshots.h"

#include <stdio.h>

#include "base/buffer.h"
#include "base/fault.h"
#include "base/files.h"
#include "store/internal.h"

static const char *const directories[] = {"", "/upper", "/work"};

static fallible check_id(const char *container_id)
{
	if (container_id_is_valid(container_id))
		return NULL;
	return error_new(ERROR_INVALID, "cannot use \"%.80s\" as a container id: it must be %d hex digits",
		container_id, CONTAINER_ID_LENGTH);
}

static fallible make_directories(Store *store, const char *container_id)
{
	char path[STORE_PATH_MAX];

	for (size_t i = 0; i < sizeof(directories) / sizeof(*directories); i++) {
		snprintf(path, sizeof(path), "containers/%s%s", container_id, directories[i]);
		TRY(fault("store.snapshot.make"));
		/* upper's mode is what the container sees of its root. */
		TRY(dir_make(store->dir, path, i == 1 ? 0755 : 0700));
	}
	return NULL;
}

fallible snapshot_make(Store *store, const char *container_id)
{
	char path[STORE_PATH_MAX];

	TRY(check_id(container_id));
	snprintf(path, sizeof(path), "containers/%s", container_id);
	bool was_there = file_exists(store->dir, path);
	Error *error = make_directories(store, container_id);
	if (error && !was_there)
		error_free(store_discard(store, path)); /* what stays is dropped at the next start */
	return error;
}

fallible snapshot_discard(Store *store, const char *container_id)
{
	char path[STORE_PATH_MAX];

	TRY(check_id(container_id));
	snprintf(path, sizeof(path), "containers/%s", container_id);
	return store_discard(store, path);
}

char *snapshot_path(const Store *store, const char *container_id, const char *name)
{
	return string_printf("%s/containers/%s%s%s", store->root, container_id, name ? "/" : "", name ? name : "");
}

char *layers_path(const Store *store)
{
	return string_printf("%s/layers", store->root);
}

static bool occurs_above(const Image *image, size_t index)
{
	for (size_t i = index + 1; i < image->layer_count; i++)
		if (image->layers[i].number == image->layers[index].number)
			return true;
	return false;
}

/* Visits the layers that show, topmost first: overlay refuses one that is listed twice, and does not look at an opaque
 * mark on a root. */
static void each_lower(const Image *image, void (*visit)(void *arg, int64_t number), void *arg)
{
	for (size_t i = image->layer_count; i-- > 0;) {
		if (!occurs_above(image, i))
			visit(arg, image->layers[i].number);
		if (image->layers[i].is_opaque)
			return;
	}
}

static void add_number(void *arg, int64_t number)
{
	Buffer *out = arg;

	buffer_printf(out, "%s%lld", out->length ? ":" : "", (long long)number);
}

char *snapshot_lower(const Image *image)
{
	autoclear(Buffer) out = {0};

	each_lower(image, add_number, &out);
	return buffer_steal(&out);
}

typedef struct DirectoryList {
	const Store *store;
	StringList *list;
} DirectoryList;

static void add_directory(void *arg, int64_t number)
{
	DirectoryList *directory_list = arg;

	strings_printf(directory_list->list, "%s/layers/%lld", directory_list->store->root, (long long)number);
}

void snapshot_directories(const Store *store, const char *container_id, const Image *image, StringList *ret)
{
	DirectoryList list = {.store = store, .list = ret};

	strings_take(ret, snapshot_path(store, container_id, "upper"));
	each_lower(image, add_directory, &list);
}

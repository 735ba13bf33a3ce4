// SPDX-License-Identifier: Apache-2.0
/* Garbage collection: what no image, pin or lease holds. Records go first, in one transaction; a cut behind it leaves
 * what the next start drops. */
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/fault.h"
#include "base/files.h"
#include "base/log.h"
#include "base/memory.h"
#include "store/collect.h"

typedef struct Collection {
	Store *store;
	int64_t *layers; /* whose records are gone */
	size_t layer_count;
	Table *blobs; /* digests that are in use */
} Collection;

fallible collect_is_blocked(Store *store, bool *ret)
{
	char boot[37] = "";
	int64_t count = 0, lost_images = 0;

	TRY(clock_boot_id(boot));
	TRY(database_number(&count, store->database,
		"SELECT count(*) FROM set_aside WHERE kind = 'container' AND json IS NULL AND boot = ?"
		" AND id NOT IN (SELECT container FROM pins)",
		"s", boot));
	TRY(database_number(&lost_images, store->database,
		"SELECT count(*) FROM pins WHERE image NOT IN (SELECT id FROM images)", ""));
	if (count)
		log_warning("nothing is collected: %lld containers were lost with a damaged database and may still run",
			(long long)count);
	if (lost_images)
		log_warning("nothing is collected: the images of %lld containers are not here, which may still run",
			(long long)lost_images);
	*ret = count || lost_images;
	return NULL;
}

/* ---- layers ---- */

static fallible find_unused_layers(Collection *collection)
{
	autoclear(Query) query = {0};
	bool has_row = false;

	TRY(database_query(&query, collection->store->database,
		"SELECT number, diff_id FROM layers WHERE number NOT IN (SELECT layer FROM image_layers)", ""));
	for (;;) {
		TRY(query_next(&query, &has_row));
		if (!has_row)
			return NULL;
		if (store_is_leased(collection->store, query_text(&query, 1)))
			continue;
		collection->layers = mem_array(collection->layers, collection->layer_count + 1, sizeof(int64_t));
		collection->layers[collection->layer_count++] = query_int(&query, 0);
	}
}

static Error *layer_steps(void *arg)
{
	Collection *collection = arg;

	collection->layer_count = 0;
	TRY(images_drop_hidden(collection->store));
	TRY(find_unused_layers(collection));
	for (size_t i = 0; i < collection->layer_count; i++)
		TRY(database_run(collection->store->database, "DELETE FROM layers WHERE number = ?", "i",
			collection->layers[i]));
	return NULL;
}

static fallible collect_layers(Collection *collection)
{
	char path[STORE_PATH_MAX];

	TRY(database_write(collection->store->database, layer_steps, collection));
	for (size_t i = 0; i < collection->layer_count; i++) {
		layer_path(path, collection->layers[i]);
		TRY(store_discard(collection->store, path));
	}
	return NULL;
}

/* ---- blobs ---- */

fallible blobs_in_use(Store *store, Table *ret)
{
	autoclear(Query) query = {0};
	bool has_row = false;

	TRY(database_query(&query, store->database,
		"SELECT id FROM images UNION ALL SELECT manifest FROM images UNION ALL SELECT blob FROM image_blobs"
		" UNION ALL SELECT blob FROM layers",
		""));
	for (;;) {
		TRY(query_next(&query, &has_row));
		if (!has_row)
			return NULL;
		if (query_text(&query, 0))
			table_set(ret, query_text(&query, 0), ret);
	}
}

static fallible collect_blob(const Collection *collection, const char *algorithm, const char *name)
{
	autofree char *digest = string_printf("%s:%s", algorithm, name);
	autofree char *path = string_printf("blobs/%s/%s", algorithm, name);

	if (table_get(collection->blobs, digest) || store_is_leased(collection->store, digest))
		return NULL;
	return store_discard(collection->store, path);
}

static Error *visit_sha256(void *arg, int dir, const char *name, unsigned char type)
{
	(void)dir;
	(void)type;
	return collect_blob(arg, "sha256", name);
}

static Error *visit_sha512(void *arg, int dir, const char *name, unsigned char type)
{
	(void)dir;
	(void)type;
	return collect_blob(arg, "sha512", name);
}

static fallible collect_blobs(Collection *collection)
{
	TRY(blobs_in_use(collection->store, collection->blobs));
	TRY(dir_each(collection->store->dir, "blobs/sha256", visit_sha256, collection));
	return dir_each(collection->store->dir, "blobs/sha512", visit_sha512, collection);
}

fallible store_collect(Store *store)
{
	autoptr(Table) blobs = table_new();
	Collection collection = {.store = store, .blobs = blobs};
	bool blocked = false;

	TRY(collect_is_blocked(store, &blocked));
	if (blocked)
		return NULL;
	TRY(fault("store.collect"));
	Error *error = collect_layers(&collection);
	free(collection.layers);
	return error ? error : collect_blobs(&collection);
}

// SPDX-License-Identifier: Apache-2.0
#include "store/inspect.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fault.h"
#include "base/files.h"
#include "base/memory.h"
#include "store/snapshots.h"

void inspect_found(const Inspection *inspection, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	autofree char *problem = string_vprintf(format, args);
	va_end(args);
	inspection->report(inspection->arg, problem);
}

static fallible drop(const Inspection *inspection, const char *path)
{
	return inspection->repairs ? store_discard(inspection->store, path) : NULL;
}

/* ---- layers: records against layers/ ---- */

typedef struct KnownLayer {
	int64_t number;
	bool is_there;
} KnownLayer;

typedef struct LayerList {
	const Inspection *inspection;
	KnownLayer *items; /* by number, ascending */
	size_t count;
} LayerList;

static fallible layers_list(LayerList *list)
{
	autoclear(Query) query = {0};
	bool has_row = false;

	TRY(database_query(&query, list->inspection->store->database, "SELECT number FROM layers ORDER BY number", ""));
	for (;;) {
		TRY(query_next(&query, &has_row));
		if (!has_row)
			return NULL;
		if (list->count % 64 == 0)
			list->items = mem_array(list->items, list->count + 64, sizeof(*list->items));
		list->items[list->count++] = (KnownLayer){.number = query_int(&query, 0)};
	}
}

static int compare_numbers(const void *a, const void *b)
{
	int64_t left = ((const KnownLayer *)a)->number, right = ((const KnownLayer *)b)->number;

	return (left > right) - (left < right);
}

static int64_t number_of(const char *name)
{
	int64_t number = 0;

	error_free(string_to_int64(&number, name, 1, INT64_MAX - 1)); /* 0 says that it is none */
	return number;
}

/* A directory without a record: the database was lost with it, or a layers_commit() did not come to its end. */
static fallible stray_layer(const Inspection *inspection, const char *name, int64_t number)
{
	Store *store = inspection->store;
	char path[STORE_PATH_MAX + 8];
	bool is_known = false, is_recorded = false;
	Layer layer, other;

	snprintf(path, sizeof(path), "layers/%.*s", STORE_PATH_MAX - 1, name);
	if (store->lost_records && number)
		TRY(layer_recognise(&layer, store, number, &is_known));
	if (is_known)
		TRY(layer_find(store, &layer.diff_id, &other, &is_recorded));
	inspect_found(inspection, "layer directory \"%s\" has no record%s", path,
		is_known && !is_recorded ? ": it gets one again" : "");
	if (is_known && !is_recorded && inspection->repairs)
		return layer_insert(store, &layer);
	return drop(inspection, path);
}

static Error *visit_layer(void *arg, int dir, const char *name, unsigned char type)
{
	LayerList *list = arg;
	KnownLayer wanted = {.number = number_of(name)};
	Store *store = list->inspection->store;

	(void)dir;
	(void)type;
	if (wanted.number >= store->next_layer)
		store->next_layer = wanted.number + 1;
	KnownLayer *known =
		list->count ? bsearch(&wanted, list->items, list->count, sizeof(wanted), compare_numbers) : NULL;
	if (!known || !wanted.number)
		return stray_layer(list->inspection, name, wanted.number);
	known->is_there = true;
	return NULL;
}

static fallible drop_missing(const LayerList *list)
{
	const Inspection *inspection = list->inspection;

	for (size_t i = 0; i < list->count; i++) {
		if (list->items[i].is_there)
			continue;
		inspect_found(inspection, "layer %lld has no directory", (long long)list->items[i].number);
		if (inspection->repairs)
			TRY(database_run(inspection->store->database, "DELETE FROM layers WHERE number = ?", "i",
				list->items[i].number));
	}
	return NULL;
}

fallible inspect_layers(const Inspection *inspection)
{
	LayerList list = {.inspection = inspection};

	Error *error = layers_list(&list);
	if (!error && list.count && list.items[list.count - 1].number >= inspection->store->next_layer)
		inspection->store->next_layer = list.items[list.count - 1].number + 1;
	if (!error)
		error = dir_each(inspection->store->dir, "layers", visit_layer, &list);
	if (!error)
		error = drop_missing(&list);
	free(list.items);
	return error;
}

/* ---- images: blobs and layers that they need ---- */

typedef struct ImageRow {
	int64_t seq;
	Digest id, manifest;
	int64_t config_size, manifest_size, layers_there, layer_count;
	bool is_hidden;
} ImageRow;

static fallible next_image(ImageRow *ret, Store *store, int64_t after, bool *ret_found)
{
	autoclear(Query) query = {0};

	TRY(database_query(&query, store->database,
		"SELECT seq, id, manifest, config_size, manifest_size, layer_count, is_hidden,"
		" (SELECT count(*) FROM image_layers JOIN layers ON layers.number = image_layers.layer WHERE "
		"image_layers.image = images.seq)"
		" FROM images WHERE seq > ? ORDER BY seq LIMIT 1",
		"i", after));
	TRY(query_next(&query, ret_found));
	if (!*ret_found)
		return NULL;
	*ret = (ImageRow){.seq = query_int(&query, 0),
		.config_size = query_int(&query, 3),
		.manifest_size = query_int(&query, 4),
		.layer_count = query_int(&query, 5),
		.is_hidden = query_int(&query, 6),
		.layers_there = query_int(&query, 7)};
	snprintf(ret->id.text, sizeof(ret->id.text), "%s", query_text(&query, 1));
	snprintf(ret->manifest.text, sizeof(ret->manifest.text), "%s",
		query_text(&query, 2) ? query_text(&query, 2) : "");
	return NULL;
}

typedef struct ImageAside {
	Store *store;
	const ImageRow *row;
	const char *reason;
	bool keeps_layers; /* for containers that stand on them */
} ImageAside;

static Error *image_aside_steps(void *arg)
{
	const ImageAside *aside = arg;
	autoclear(Query) query = {0};
	autofree char *names = NULL;
	bool has_row = false;

	TRY(database_query(&query, aside->store->database, "SELECT group_concat(name, ', ') FROM names WHERE image = ?",
		"i", aside->row->seq));
	TRY(query_next(&query, &has_row));
	names = mem_strdup(query_text(&query, 0));
	query_end(&query);
	TRY(aside_put(aside->store, "image", aside->row->id.text, names, NULL, aside->reason));
	return aside->keeps_layers ? image_hide(aside->store, aside->row->seq)
				   : image_erase(aside->store, aside->row->seq);
}

/* A pin on it stays: the container stands again when the image is pulled again, or stands all the time where the layers
 * are whole. */
static fallible image_is_broken(
	const Inspection *inspection, const ImageRow *row, bool keeps_layers, const char *reason)
{
	ImageAside aside = {.store = inspection->store, .row = row, .reason = reason, .keeps_layers = keeps_layers};

	inspect_found(inspection, "image \"%s\": %s", row->id.text, reason);
	return inspection->repairs ? database_write(inspection->store->database, image_aside_steps, &aside) : NULL;
}

static fallible drop_broken_blob(const Inspection *inspection, const Digest *digest)
{
	char path[STORE_PATH_MAX];

	blob_path(path, digest);
	return drop(inspection, path);
}

static fallible inspect_manifest(const Inspection *inspection, const ImageRow *row)
{
	if (!digest_is_set(&row->manifest) || blob_size(inspection->store, &row->manifest) == row->manifest_size)
		return NULL;
	inspect_found(inspection, "image \"%s\": its manifest is missing or cut short", row->id.text);
	TRY(drop_broken_blob(inspection, &row->manifest));
	if (!inspection->repairs)
		return NULL;
	return database_run(inspection->store->database,
		"UPDATE images SET manifest = NULL, manifest_size = 0 WHERE seq = ?", "i", row->seq);
}

static fallible inspect_image(const Inspection *inspection, const ImageRow *row)
{
	if (row->layers_there != row->layer_count)
		return image_is_broken(inspection, row, false, "some of its layers are missing");
	if (blob_size(inspection->store, &row->id) == row->config_size)
		return inspect_manifest(inspection, row);
	if (row->is_hidden)
		return NULL; /* its containers have what they need of it in their records */
	TRY(drop_broken_blob(inspection, &row->id));
	return image_is_broken(inspection, row, true, "its configuration is missing or cut short");
}

fallible inspect_images(const Inspection *inspection)
{
	ImageRow row = {0};
	bool is_there = false;

	for (;;) {
		TRY(next_image(&row, inspection->store, row.seq, &is_there));
		if (!is_there)
			return NULL;
		TRY(inspect_image(inspection, &row));
	}
}

/* ---- containers: records against containers/ ---- */

typedef struct ContainerSet {
	const Inspection *inspection;
	Table *ids; /* id -> this, until its directory is seen */
} ContainerSet;

static fallible containers_list(ContainerSet *set)
{
	autoclear(Query) query = {0};
	bool has_row = false;

	TRY(database_query(
		&query, set->inspection->store->database, "SELECT id FROM records WHERE kind = 'container'", ""));
	for (;;) {
		TRY(query_next(&query, &has_row));
		if (!has_row)
			return NULL;
		table_set(set->ids, query_text(&query, 0), set);
	}
}

static Error *visit_container(void *arg, int dir, const char *name, unsigned char type)
{
	ContainerSet *set = arg;
	Store *store = set->inspection->store;
	char path[STORE_PATH_MAX + 16];
	bool is_aside = false;

	(void)dir;
	(void)type;
	if (table_remove(set->ids, name))
		return NULL;
	TRY(aside_has(store, "container", name, &is_aside));
	if (is_aside)
		return NULL;
	if (store->lost_records && container_id_is_valid(name))
		return aside_put(store, "container", name, NULL, NULL,
			"its record was lost with the database; its directory is kept");
	snprintf(path, sizeof(path), "containers/%.*s", STORE_PATH_MAX - 1, name);
	inspect_found(set->inspection, "container directory \"%s\" has no record", path);
	return drop(set->inspection, path);
}

static fallible containers_make(const ContainerSet *set)
{
	const char *id = NULL;
	void *value = NULL;

	for (size_t cursor = 0; table_next(set->ids, &cursor, &id, &value);) {
		inspect_found(set->inspection, "container \"%s\" has no directory", id);
		if (set->inspection->repairs && container_id_is_valid(id))
			TRY(snapshot_make(set->inspection->store, id));
	}
	return NULL;
}

#define STALE_PINS                                                                                                     \
	" FROM pins WHERE container NOT IN (SELECT id FROM records WHERE kind = 'container')"                          \
	" AND container NOT IN (SELECT id FROM set_aside WHERE kind = 'container')"

static fallible inspect_pins(const Inspection *inspection)
{
	int64_t count = 0;

	TRY(database_number(&count, inspection->store->database, "SELECT count(*)" STALE_PINS, ""));
	if (!count)
		return NULL;
	inspect_found(inspection, "%lld pins on images are of containers without a record", (long long)count);
	return inspection->repairs ? database_run(inspection->store->database, "DELETE" STALE_PINS, "") : NULL;
}

fallible inspect_containers(const Inspection *inspection)
{
	autoptr(Table) ids = table_new();
	ContainerSet set = {.inspection = inspection, .ids = ids};

	TRY(containers_list(&set));
	TRY(dir_each(inspection->store->dir, "containers", visit_container, &set));
	TRY(containers_make(&set));
	return inspect_pins(inspection);
}

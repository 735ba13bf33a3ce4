// SPDX-License-Identifier: Apache-2.0
#include "store/check.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/files.h"
#include "base/memory.h"
#include "store/blobs.h"
#include "store/collect.h"
#include "store/inspect.h"
#include "store/records.h"
#include "store/snapshots.h"

/* ---- database ---- */

static fallible check_database(const Inspection *inspection)
{
	autoclear(Query) query = {0};
	bool has_row = false;

	TRY(database_query(&query, inspection->store->database, "PRAGMA integrity_check(20)", ""));
	for (;;) {
		TRY(query_next(&query, &has_row));
		if (!has_row)
			return NULL;
		if (strcmp(query_text(&query, 0), "ok") != 0)
			inspect_found(inspection, "the database is damaged, which the next start repairs: %s",
				query_text(&query, 0));
	}
}

static void ignore_record(void *arg, const char *id, const char *name, const char *json)
{
	(void)arg, (void)id, (void)name, (void)json;
}

/* Walking over all of a kind sets the bad ones aside. */
static fallible walk_kinds(Store *store)
{
	autoclear(StringList) kinds = {0};
	autoclear(Query) query = {0};
	bool has_row = true;

	TRY(database_query(&query, store->database, "SELECT DISTINCT kind FROM records", ""));
	while (has_row) {
		TRY(query_next(&query, &has_row));
		if (has_row)
			strings_add(&kinds, query_text(&query, 0));
	}
	query_end(&query);
	for (size_t i = 0; i < kinds.count; i++)
		TRY(record_each(store, kinds.items[i], ignore_record, NULL));
	return NULL;
}

static fallible check_records(const Inspection *inspection)
{
	autoclear(Query) query = {0};
	bool has_row = false;

	TRY(database_query(&query, inspection->store->database, "SELECT kind, id, json, sum FROM records", ""));
	for (;;) {
		TRY(query_next(&query, &has_row));
		if (!has_row)
			break;
		if (record_sum(query_text(&query, 2)) != query_int(&query, 3))
			inspect_found(inspection, "the checksum of %s \"%s\" does not fit", query_text(&query, 0),
				query_text(&query, 1));
	}
	query_end(&query);
	return inspection->repairs ? walk_kinds(inspection->store) : NULL;
}

/* ---- what was set aside ---- */

static fallible drop_aside_directories(Store *store)
{
	autoclear(StringList) ids = {0};
	autoclear(Query) query = {0};
	bool has_row = true;

	TRY(database_query(&query, store->database,
		"SELECT id FROM set_aside WHERE kind = 'container' AND id NOT IN (SELECT id FROM records WHERE kind = "
		"'container')",
		""));
	while (has_row) {
		TRY(query_next(&query, &has_row));
		if (has_row && container_id_is_valid(query_text(&query, 0)))
			strings_add(&ids, query_text(&query, 0));
	}
	query_end(&query);
	for (size_t i = 0; i < ids.count; i++)
		TRY(snapshot_discard(store, ids.items[i]));
	return database_run(store->database, "DELETE FROM set_aside", "");
}

static fallible check_aside(const Inspection *inspection)
{
	autoclear(Query) query = {0};
	bool has_row = false, has_any = false;

	TRY(database_query(
		&query, inspection->store->database, "SELECT kind, id, name, reason FROM set_aside ORDER BY seq", ""));
	for (;; has_any = true) {
		TRY(query_next(&query, &has_row));
		if (!has_row)
			break;
		const char *name = query_text(&query, 2);
		inspect_found(inspection, "%s \"%s\"%s%s%s was set aside: %s", query_text(&query, 0),
			query_text(&query, 1), name ? " (" : "", name ? name : "", name ? ")" : "",
			query_text(&query, 3));
	}
	query_end(&query);
	return has_any && inspection->repairs ? drop_aside_directories(inspection->store) : NULL;
}

static Error *visit_root(void *arg, int dir, const char *name, unsigned char type)
{
	const Inspection *inspection = arg;

	(void)dir;
	(void)type;
	if (!string_starts(name, "kedge.db.bad-"))
		return NULL;
	inspect_found(inspection, "the damaged database \"%s\" is kept", name);
	return inspection->repairs ? store_discard(inspection->store, name) : NULL;
}

static fallible check_bad_files(const Inspection *inspection)
{
	return dir_each(inspection->store->dir, ".", visit_root, (void *)inspection);
}

/* ---- blobs ---- */

static fallible check_layer_blobs(const Inspection *inspection)
{
	autoclear(Query) query = {0};
	bool has_row = false;
	Layer layer;

	TRY(database_query(&query, inspection->store->database,
		"SELECT " LAYER_COLUMNS " FROM layers WHERE blob IS NOT NULL", ""));
	for (;;) {
		TRY(query_next(&query, &has_row));
		if (!has_row)
			return NULL;
		layer_from_query(&layer, &query, 0);
		if (blob_size(inspection->store, &layer.blob) == layer.blob_size)
			continue;
		inspect_found(inspection, "blob \"%s\" of layer %lld is missing or cut short", layer.blob.text,
			(long long)layer.number);
		if (!inspection->repairs)
			continue;
		char path[STORE_PATH_MAX];
		blob_path(path, &layer.blob);
		TRY(store_discard(inspection->store, path));
		TRY(database_run(inspection->store->database,
			"UPDATE layers SET blob = NULL, blob_size = 0 WHERE number = ?", "i", layer.number));
	}
}

typedef struct BlobWalk {
	const Inspection *inspection;
	const char *algorithm;
	Table *used;
	bool has_unused;
} BlobWalk;

static bool is_empty(int dir, const char *name)
{
	struct stat status;

	return fstatat(dir, name, &status, AT_SYMLINK_NOFOLLOW) == 0 && status.st_size == 0;
}

/* What a power cut leaves of a file that nobody synced. Everywhere else it counts as not there. */
static fallible empty_blob(const Inspection *inspection, const char *text)
{
	char path[STORE_PATH_MAX];
	Digest digest;

	inspect_found(inspection, "blob \"%s\" is empty", text);
	if (!inspection->repairs)
		return NULL;
	digest_from_record(&digest, text);
	blob_path(path, &digest);
	return store_discard(inspection->store, path);
}

static Error *visit_blob(void *arg, int dir, const char *name, unsigned char type)
{
	BlobWalk *walk = arg;
	autofree char *digest = string_printf("%s:%s", walk->algorithm, name);

	(void)type;
	if (store_is_leased(walk->inspection->store, digest))
		return NULL;
	if (is_empty(dir, name))
		return empty_blob(walk->inspection, digest);
	if (table_get(walk->used, digest))
		return NULL;
	walk->has_unused = true;
	inspect_found(walk->inspection, "nothing refers to blob \"%s\"", digest);
	return NULL;
}

static fallible check_unused_layers(const Inspection *inspection, bool *ret_any)
{
	autoclear(Query) query = {0};
	bool has_row = false;

	TRY(database_query(&query, inspection->store->database,
		"SELECT number, diff_id FROM layers WHERE number NOT IN (SELECT layer FROM image_layers)", ""));
	for (;;) {
		TRY(query_next(&query, &has_row));
		if (!has_row)
			return NULL;
		if (store_is_leased(inspection->store, query_text(&query, 1)))
			continue;
		*ret_any = true;
		inspect_found(inspection, "nothing refers to layer %lld", (long long)query_int(&query, 0));
	}
}

static fallible check_unused(const Inspection *inspection)
{
	autoptr(Table) used = table_new();
	BlobWalk walk = {.inspection = inspection, .used = used};
	bool is_blocked = false;

	TRY(collect_is_blocked(inspection->store, &is_blocked));
	if (is_blocked)
		return NULL; /* what seems unused may be what they stand on */
	TRY(check_unused_layers(inspection, &walk.has_unused));
	TRY(blobs_in_use(inspection->store, used));
	walk.algorithm = "sha256";
	TRY(dir_each(inspection->store->dir, "blobs/sha256", visit_blob, &walk));
	walk.algorithm = "sha512";
	TRY(dir_each(inspection->store->dir, "blobs/sha512", visit_blob, &walk));
	return walk.has_unused && inspection->repairs ? store_collect(inspection->store) : NULL;
}

/* In the order in which one repair makes another visible. */
static Error *(*const checks[])(const Inspection *inspection) = {
	check_database,
	check_records,
	inspect_layers,
	inspect_images,
	check_layer_blobs,
	check_aside,
	inspect_containers,
	inspect_volumes,
	check_bad_files,
	check_unused,
};

fallible store_check(Store *store, bool repair, void (*report)(void *arg, const char *problem), void *arg)
{
	Inspection inspection = {.store = store, .repairs = repair, .report = report, .arg = arg};

	for (size_t i = 0; i < sizeof(checks) / sizeof(*checks); i++)
		TRY(checks[i](&inspection));
	return NULL;
}

// SPDX-License-Identifier: Apache-2.0
/* What opening puts right. Its cost grows with what is staged and with the number of directories, not with their
 * content. */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/fault.h"
#include "base/files.h"
#include "base/log.h"
#include "base/memory.h"
#include "store/inspect.h"

enum { PARTS_KEPT = 32 };

static const int64_t part_age_max_ns = 7 * 24 * 3600 * NANOS_PER_SECOND;

static const char *const directories[] = {
	"blobs",
	"blobs/sha256",
	"blobs/sha512",
	"layers",
	"containers",
	"volumes",
	"staging",
	"trash",
};

fallible recover_directories(Store *store)
{
	for (size_t i = 0; i < sizeof(directories) / sizeof(*directories); i++)
		TRY(dir_make(store->dir, directories[i], 0700));
	return NULL;
}

/* ---- staging: partial blobs wait for a resumed download, the rest goes ---- */

typedef struct Part {
	char *path;
	int64_t changed_ns;
} Part;

typedef struct Parts {
	Store *store;
	Part *items;
	size_t count;
} Parts;

static int64_t changed_ns(int dir, const char *name)
{
	struct stat status;

	if (fstatat(dir, name, &status, AT_SYMLINK_NOFOLLOW) < 0)
		return 0;
	return status.st_mtim.tv_sec * NANOS_PER_SECOND + status.st_mtim.tv_nsec;
}

static bool is_part(const char *name)
{
	Digest digest;

	if (!string_ends(name, ".part"))
		return false;
	autofree char *text = mem_strndup(name, strlen(name) - strlen(".part"));
	Error *error = digest_parse(&digest, text);
	bool is_digest = !error;
	error_free(error); /* another name is not one of ours */
	return is_digest;
}

static Error *visit_staged(void *arg, int dir, const char *name, unsigned char type)
{
	Parts *parts = arg;
	autofree char *path = path_join("staging", name);

	if (type != DT_REG || !is_part(name))
		return store_discard(parts->store, path);
	parts->items = mem_array(parts->items, parts->count + 1, sizeof(Part));
	parts->items[parts->count++] = (Part){.path = take(path), .changed_ns = changed_ns(dir, name)};
	return NULL;
}

static int compare_newest_first(const void *a, const void *b)
{
	int64_t left = ((const Part *)a)->changed_ns, right = ((const Part *)b)->changed_ns;

	return (left < right) - (left > right);
}

/* By the wall clock, which may have jumped: a time to come counts as now, and a part lost to a jump is a download begun
 * anew. */
static fallible drop_old_parts(const Parts *parts)
{
	int64_t now = clock_wall_ns();

	for (size_t i = 0; i < parts->count; i++)
		if (i >= PARTS_KEPT || now - parts->items[i].changed_ns > part_age_max_ns)
			TRY(store_discard(parts->store, parts->items[i].path));
	return NULL;
}

static fallible recover_staging(const Inspection *inspection)
{
	Parts parts = {.store = inspection->store};

	Error *error = dir_each(inspection->store->dir, "staging", visit_staged, &parts);
	if (parts.count)
		qsort(parts.items, parts.count, sizeof(Part), compare_newest_first);
	if (!error)
		error = drop_old_parts(&parts);
	for (size_t i = 0; i < parts.count; i++)
		free(parts.items[i].path);
	free(parts.items);
	return error;
}

/* ---- what a salvaged database may hold of records whose counterpart was lost ---- */

static const char *const orphans[] = {
	"DELETE FROM names WHERE image NOT IN (SELECT seq FROM images)",
	"DELETE FROM image_layers WHERE image NOT IN (SELECT seq FROM images)",
	"DELETE FROM image_blobs WHERE image NOT IN (SELECT seq FROM images)",
};

static fallible log_lost_names(Store *store)
{
	autoclear(Query) query = {0};
	bool has_row = false;

	TRY(database_query(
		&query, store->database, "SELECT name FROM names WHERE image NOT IN (SELECT seq FROM images)", ""));
	for (;;) {
		TRY(query_next(&query, &has_row));
		if (!has_row)
			return NULL;
		log_error("image \"%s\" was lost with the damaged part of the database: pull it again",
			query_text(&query, 0));
	}
}

static fallible recover_orphans(const Inspection *inspection)
{
	if (!inspection->store->lost_records)
		return NULL;
	TRY(log_lost_names(inspection->store));
	for (size_t i = 0; i < sizeof(orphans) / sizeof(*orphans); i++)
		TRY(database_run(inspection->store->database, orphans[i], ""));
	return NULL;
}

/* A damaged database may not even say what is missing. */
static fallible tell_of_losses(const Inspection *inspection)
{
	int64_t images = 0, containers = 0, traces = 0;

	TRY(database_number(&traces, inspection->store->database,
		"SELECT (SELECT count(*) FROM layers) + (SELECT count(*) FROM set_aside)", ""));
	if (!inspection->store->lost_records || !traces)
		return NULL; /* a store that was made now has lost nothing */
	TRY(database_number(&images, inspection->store->database, "SELECT count(*) FROM images", ""));
	TRY(database_number(
		&containers, inspection->store->database, "SELECT count(*) FROM records WHERE kind = 'container'", ""));
	log_error("store \"%s\": the database was lost or damaged: %lld images and %lld containers are still known",
		inspection->store->root, (long long)images, (long long)containers);
	return NULL;
}

/* ---- all of it ---- */

static const struct {
	const char *what;
	Error *(*run)(const Inspection *inspection);
} steps[] = {
	{"staging", recover_staging},
	{"the database", recover_orphans},
	{"layers", inspect_layers},
	{"images", inspect_images},
	{"containers", inspect_containers},
	{"volumes", inspect_volumes},
	{"what was copied into volumes", settle_volumes},
	{"what is known", tell_of_losses},
};

static void report_to_log(void *arg, const char *problem)
{
	const Store *store = arg;

	log_warning("store \"%s\": %s", store->root, problem);
}

/* A step that fails, on a full disk say, is left for the next start: the engine is worth more with what there is. */
fallible recover(Store *store)
{
	Inspection inspection = {.store = store, .repairs = true, .report = report_to_log, .arg = store};

	store->next_layer = 1;
	for (size_t i = 0; i < sizeof(steps) / sizeof(*steps); i++) {
		TRY(fault("store.recover"));
		Error *error = steps[i].run(&inspection);
		if (error)
			error_log(error, "could not put %s in order in store \"%s\"", steps[i].what, store->root);
	}
	store->lost_records = false;
	return NULL;
}

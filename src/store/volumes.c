// SPDX-License-Identifier: Apache-2.0
#include "store/volumes.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/fault.h"
#include "base/files.h"
#include "base/memory.h"
#include "store/inspect.h"
#include "store/records.h"

static const char copy_of_record[] = "volume.json";

static bool is_alphanumeric(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

bool volume_name_is_valid(const char *name)
{
	size_t length = strlen(name);

	if (length < 2 || length > VOLUME_NAME_MAX || !is_alphanumeric(*name))
		return false;
	for (const char *c = name; *c; c++)
		if (!is_alphanumeric(*c) && !strchr("_.-", *c))
			return false;
	return true;
}

char *volumes_path(const Store *store)
{
	return string_printf("%s/volumes", store->root);
}

/* "volumes/<name>", "volumes/<name>/<part>" */
static char *path_of(const char *name, const char *part)
{
	return string_printf("volumes/%s%s%s", name, part ? "/" : "", part ? part : "");
}

/* ---- making and removing ---- */

static fallible make_directories(Store *store, const char *name)
{
	autofree char *directory = path_of(name, NULL), *data = path_of(name, VOLUME_DATA);

	TRY(fault("store.volume.make"));
	TRY(dir_make(store->dir, directory, 0701)); /* as Docker's: who has a path below may go there */
	return dir_make(store->dir, data, 0755);
}

static fallible check_name(const char *name)
{
	if (volume_name_is_valid(name))
		return NULL;
	return error_new(ERROR_INVALID, "cannot use \"%.300s\" as a volume's name", name);
}

/* Nothing is in it: what stays is dropped at the next start. */
static void drop_new(Store *store, const char *name)
{
	autofree char *directory = path_of(name, NULL);

	error_free(store_discard(store, directory));
}

static bool has_directory(Store *store, const char *name)
{
	autofree char *directory = path_of(name, NULL);

	return file_exists(store->dir, directory);
}

fallible volume_stage(Store *store, const char *name, const char *json)
{
	TRY(check_name(name));
	autofree char *copy = path_of(name, copy_of_record);
	bool was_there = has_directory(store, name);
	Error *error = make_directories(store, name);

	if (!error)
		error = file_replace(store->dir, copy, json, strlen(json), 0600);
	if (error && !was_there)
		drop_new(store, name);
	return error;
}

fallible volume_put(Store *store, const char *name, const char *json)
{
	bool was_there = has_directory(store, name);

	TRY(volume_stage(store, name, json));
	Error *error = record_put(store, "volume", name, NULL, json);
	if (error && !was_there)
		drop_new(store, name);
	return error;
}

static fallible rename_volume(Store *store, const char *from, const char *to)
{
	if (renameat(store->dir, from, store->dir, to) < 0 && errno != ENOENT)
		return error_errno(errno, "could not rename \"%s\" to \"%s\"", from, to);
	return NULL;
}

static char *leaving_path(const char *name)
{
	return string_printf("volumes/~%s", name);
}

static fallible leave(Store *store, const char *name)
{
	autofree char *directory = path_of(name, NULL), *leaving = leaving_path(name);

	TRY(store_discard(store, leaving));
	TRY(fault("store.volume.leave"));
	return rename_volume(store, directory, leaving);
}

static fallible leave_all(Store *store, const StringList *names)
{
	for (size_t i = 0; i < names->count; i++)
		TRY(leave(store, names->items[i]));
	return NULL;
}

/* Where it has not left, its directory is in the way. */
static void come_back(Store *store, const char *name)
{
	autofree char *directory = path_of(name, NULL), *leaving = leaving_path(name);

	error_free(rename_volume(store, leaving, directory)); /* the next start does it otherwise */
}

static void discard(Store *store, const char *name)
{
	autofree char *leaving = leaving_path(name);
	Error *error = fault("store.volume.discard");

	if (!error)
		error = store_discard(store, leaving);
	if (error)
		error_log(error, "volume \"%s\": its data is left for the next start", name);
}

typedef struct Deletion {
	Store *store;
	const StringList *names;
	Error *(*also)(void *arg);
	void *arg;
} Deletion;

static Error *delete_steps(void *arg)
{
	const Deletion *deletion = arg;

	for (size_t i = 0; i < deletion->names->count; i++)
		TRY(record_delete(deletion->store, "volume", deletion->names->items[i]));
	return deletion->also ? deletion->also(deletion->arg) : NULL;
}

fallible volumes_delete(Store *store, const StringList *names, Error *(*also)(void *arg), void *arg)
{
	Deletion deletion = {.store = store, .names = names, .also = also, .arg = arg};

	for (size_t i = 0; i < names->count; i++)
		TRY(check_name(names->items[i]));
	Error *error = leave_all(store, names);
	if (!error)
		error = store_batch(store, delete_steps, &deletion);
	for (size_t i = 0; i < names->count; i++) {
		if (error)
			come_back(store, names->items[i]);
		else
			discard(store, names->items[i]);
	}
	return error;
}

fallible volume_delete(Store *store, const char *name)
{
	autoclear(StringList) names = {0};

	strings_add(&names, name);
	return volumes_delete(store, &names, NULL, NULL);
}

/* ---- what an image's files were copied to ---- */

fallible volume_settle(Store *store, const char *name)
{
	autofree char *directory = path_of(name, NULL), *copied = path_of(name, VOLUME_COPIED);
	autofree char *copy = path_of(name, VOLUME_COPY);
	autofd fd = -1, data = -1;

	if (file_exists(store->dir, copy))
		TRY(store_discard(store, copy));
	if (!file_exists(store->dir, copied))
		return NULL;
	TRY(dir_open(&fd, store->dir, directory));
	TRY(dir_open(&data, fd, VOLUME_DATA));
	return dir_move_all(fd, VOLUME_COPIED, data);
}

/* ---- another content ---- */

static fallible exchange(Store *store, const char *data, const char *staged)
{
	if (renameat2(store->dir, staged, store->dir, data, RENAME_EXCHANGE) < 0)
		return error_errno(errno, "could not exchange \"%s\" and \"%s\"", staged, data);
	return NULL;
}

static fallible sync_exchange(Store *store, const char *name, const char *staged)
{
	autofree char *directory = path_of(name, NULL), *above = mem_strndup(staged, strcspn(staged, "/"));

	TRY(fault("store.volume.exchange"));
	TRY(file_sync_dir(store->dir, directory));
	return file_sync_dir(store->dir, above);
}

fallible volume_exchange(Store *store, const char *name, const char *staged)
{
	autofree char *data = path_of(name, VOLUME_DATA);

	TRY(check_name(name));
	TRY(volume_settle(store, name));
	TRY(exchange(store, data, staged));
	Error *error = sync_exchange(store, name, staged);
	if (error)
		error_free(exchange(store, data, staged)); /* the first error is the one to tell */
	Error *stays = error ? NULL : store_discard(store, staged);
	if (stays)
		error_log(stays, "volume \"%s\": what was in it is left for the next start", name);
	return error;
}

/* ---- records against directories ---- */

typedef struct VolumeSet {
	const Inspection *inspection;
	Table *names; /* of records, until their directory is seen */
} VolumeSet;

static fallible list_volumes(VolumeSet *set)
{
	autoclear(Query) query = {0};
	bool has_row = false;

	TRY(database_query(
		&query, set->inspection->store->database, "SELECT id FROM records WHERE kind = 'volume'", ""));
	for (;;) {
		TRY(query_next(&query, &has_row));
		if (!has_row)
			return NULL;
		table_set(set->names, query_text(&query, 0), set);
	}
}

/* kedged ended in the middle of a removal: before the record was deleted nothing had happened. */
static fallible inspect_leaving(VolumeSet *set, const char *entry)
{
	const Inspection *inspection = set->inspection;
	autofree char *leaving = path_of(entry, NULL), *directory = path_of(entry + 1, NULL);
	bool stays = table_get(set->names, entry + 1) && !file_exists(inspection->store->dir, directory);

	inspect_found(inspection, "volume directory \"%s\" was left by a removal%s", leaving,
		stays ? " that did not come to pass" : "");
	if (!inspection->repairs)
		return NULL;
	if (!stays)
		return store_discard(inspection->store, leaving);
	table_remove(set->names, entry + 1);
	return rename_volume(inspection->store, leaving, directory);
}

static Error *stop_at_first(void *arg, int dir, const char *name, unsigned char type)
{
	(void)dir, (void)name, (void)type;
	*(bool *)arg = true;
	return NULL;
}

static bool is_empty(Store *store, const char *name)
{
	autofree char *data = path_of(name, VOLUME_DATA), *copied = path_of(name, VOLUME_COPIED);
	bool has_entry = file_exists(store->dir, copied);

	if (!file_exists(store->dir, data))
		return !has_entry;
	Error *error = dir_each(store->dir, data, stop_at_first, &has_entry);
	bool is_unknown = error;
	error_free(error); /* what cannot be read is not empty */
	return !has_entry && !is_unknown;
}

/* Without its text it is a volume without options and labels. */
static fallible adopt(Store *store, const char *name)
{
	autofree char *path = path_of(name, copy_of_record), *json = NULL;
	Error *error = file_read(&json, NULL, store->dir, path, RECORD_MAX);

	error_free(error); /* lost with the record */
	return volume_put(store, name, string_empty(json) ? "{}" : json);
}

static fallible stray_volume(const Inspection *inspection, const char *name)
{
	Store *store = inspection->store;
	autofree char *directory = path_of(name, NULL);
	bool is_aside = false;

	TRY(aside_has(store, "volume", name, &is_aside));
	if (is_aside)
		return NULL;
	bool is_litter = !store->lost_records && is_empty(store, name);
	inspect_found(inspection, "volume directory \"%s\" has no record%s", directory,
		is_litter ? "" : ": it gets one again");
	if (!inspection->repairs)
		return NULL;
	return is_litter ? store_discard(store, directory) : adopt(store, name);
}

static Error *visit_volume(void *arg, int dir, const char *name, unsigned char type)
{
	VolumeSet *set = arg;

	(void)dir;
	if (*name == '~' && volume_name_is_valid(name + 1))
		return inspect_leaving(set, name);
	if (table_remove(set->names, name))
		return NULL;
	if (type == DT_DIR && volume_name_is_valid(name))
		return stray_volume(set->inspection, name);
	inspect_found(set->inspection, "\"volumes/%s\" is no volume: it is left as it is", name);
	return NULL;
}

static fallible make_missing(const VolumeSet *set)
{
	const char *name = NULL;
	void *value = NULL;

	for (size_t cursor = 0; table_next(set->names, &cursor, &name, &value);) {
		inspect_found(set->inspection, "volume \"%s\" has no directory: it gets an empty one", name);
		if (set->inspection->repairs && volume_name_is_valid(name))
			TRY(make_directories(set->inspection->store, name));
	}
	return NULL;
}

fallible inspect_volumes(const Inspection *inspection)
{
	autoptr(Table) names = table_new();
	VolumeSet set = {.inspection = inspection, .names = names};

	TRY(list_volumes(&set));
	TRY(dir_each(inspection->store->dir, "volumes", visit_volume, &set));
	return make_missing(&set);
}

static Error *settle_entry(void *arg, int dir, const char *name, unsigned char type)
{
	(void)dir, (void)type;
	return volume_name_is_valid(name) ? volume_settle(arg, name) : NULL;
}

fallible settle_volumes(const Inspection *inspection)
{
	return dir_each(inspection->store->dir, "volumes", settle_entry, inspection->store);
}

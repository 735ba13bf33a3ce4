// SPDX-License-Identifier: Apache-2.0
#include "store/layers.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include "base/fault.h"
#include "base/files.h"
#include "base/log.h"
#include "base/memory.h"
#include "store/internal.h"

static const char opaque_mark[] = "trusted.overlay.opaque";
static const char description[] = "trusted.kedge.layer"; /* "<diff id> <blob or -> <blob size> <bytes>" */

enum { DESCRIPTION_MAX = 2 * DIGEST_TEXT_MAX + 48 };

void layer_path(char ret[STORE_PATH_MAX], int64_t number)
{
	snprintf(ret, STORE_PATH_MAX, "layers/%lld", (long long)number);
}

static void staged_path(char ret[STORE_PATH_MAX], int64_t number)
{
	snprintf(ret, STORE_PATH_MAX, "staging/layer-%lld", (long long)number);
}

/* ---- records ---- */

void digest_from_record(Digest *ret, const char *text)
{
	snprintf(ret->text, sizeof(ret->text), "%s", text ? text : "");
}

void layer_from_query(Layer *ret, const Query *query, int column)
{
	ret->number = query_int(query, column);
	digest_from_record(&ret->diff_id, query_text(query, column + 1));
	digest_from_record(&ret->blob, query_text(query, column + 2));
	ret->blob_size = query_int(query, column + 3);
	ret->bytes = query_int(query, column + 4);
	ret->is_opaque = query_int(query, column + 5);
}

fallible layer_find(Store *store, const Digest *diff_id, Layer *ret, bool *ret_found)
{
	autoclear(Query) query = {0};
	bool has_row = false;

	TRY(database_query(
		&query, store->database, "SELECT " LAYER_COLUMNS " FROM layers WHERE diff_id = ?", "s", diff_id->text));
	TRY(query_next(&query, &has_row));
	if (has_row)
		layer_from_query(ret, &query, 0);
	*ret_found = has_row;
	return NULL;
}

fallible layer_is_used(Store *store, const Digest *diff_id, bool *ret)
{
	autoclear(Query) query = {0};

	TRY(database_query(&query, store->database,
		"SELECT 1 FROM image_layers JOIN layers ON layers.number = image_layers.layer WHERE diff_id = ? LIMIT "
		"1",
		"s", diff_id->text));
	return query_next(&query, ret);
}

fallible layer_insert(Store *store, const Layer *layer)
{
	return database_run(store->database,
		"INSERT INTO layers(number, diff_id, blob, blob_size, bytes, is_opaque) VALUES(?, ?, ?, ?, ?, ?)",
		"issiii", layer->number, layer->diff_id.text, digest_is_set(&layer->blob) ? layer->blob.text : NULL,
		layer->blob_size, layer->bytes, (int64_t)layer->is_opaque);
}

/* ---- what a layer's directory says about itself, for the day its record is lost ---- */

/* Best effort: a file system without such attributes keeps its layers all the same. */
static void layer_describe(int dir, const Layer *layer)
{
	char text[DESCRIPTION_MAX];

	int length = snprintf(text, sizeof(text), "%s %s %lld %lld", layer->diff_id.text,
		digest_is_set(&layer->blob) ? layer->blob.text : "-", (long long)layer->blob_size,
		(long long)layer->bytes);
	if (fsetxattr(dir, description, text, (size_t)length, 0) < 0)
		log_debug("could not describe layer %lld in its attributes", (long long)layer->number);
}

static bool is_marked_opaque(int dir)
{
	char value = 0;

	return fgetxattr(dir, opaque_mark, &value, 1) == 1 && value == 'y';
}

static bool description_parse(Layer *ret, const char *text)
{
	autoclear(StringList) words = {0};
	Error *error = NULL;

	strings_split(&words, text, ' ');
	if (words.count != 4)
		return false;
	error = digest_parse(&ret->diff_id, words.items[0]);
	if (!error && !string_equal(words.items[1], "-"))
		error = digest_parse(&ret->blob, words.items[1]);
	if (!error)
		error = string_to_int64(&ret->blob_size, words.items[2], 0, INT64_MAX);
	if (!error)
		error = string_to_int64(&ret->bytes, words.items[3], 0, INT64_MAX);
	bool is_good = !error;
	error_free(error); /* what cannot be read is a layer that is not known */
	return is_good;
}

fallible layer_recognise(Layer *ret, Store *store, int64_t number, bool *ret_known)
{
	char path[STORE_PATH_MAX], text[DESCRIPTION_MAX + 1] = "";
	Layer layer = {.number = number};
	autofd fd = -1;

	layer_path(path, number);
	TRY(file_open(&fd, store->dir, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0));
	*ret_known = fgetxattr(fd, description, text, DESCRIPTION_MAX) > 0 && description_parse(&layer, text);
	layer.is_opaque = is_marked_opaque(fd);
	if (*ret_known)
		*ret = layer;
	return NULL;
}

/* ---- staging ---- */

fallible layer_stage(Store *store, int64_t *ret_number, int *ret_dir_fd)
{
	char path[STORE_PATH_MAX];
	int64_t number = store->next_layer;
	autofd fd = -1;

	staged_path(path, number);
	TRY(fault("store.layer.stage"));
	if (mkdirat(store->dir, path, 0755) < 0)
		return error_errno(errno, "could not make directory \"%s\"", path);
	store->next_layer++;
	TRY(dir_open(&fd, store->dir, path));
	*ret_number = number;
	*ret_dir_fd = take_fd(&fd);
	return NULL;
}

fallible layer_abandon(Store *store, int64_t number)
{
	char path[STORE_PATH_MAX];

	staged_path(path, number);
	return store_discard(store, path);
}

/* Component by component, since the tree was made from untrusted bytes: a link on the way is an error. */
static fallible open_below(int *ret_fd, int dir, const char *path)
{
	autoclear(StringList) parts = {0};
	autofd at = -1;

	TRY(dir_open(&at, dir, "."));
	strings_split(&parts, path, '/');
	for (size_t i = 0; i < parts.count; i++) {
		if (string_equal(parts.items[i], "..") || string_empty(parts.items[i]))
			return error_new(ERROR_INVALID, "cannot use path \"%s\" in a layer", path);
		int next = openat(at, parts.items[i], O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (next < 0)
			return error_errno(errno, "could not open directory \"%s\" of a layer", path);
		close(at);
		at = next;
	}
	*ret_fd = take_fd(&at);
	return NULL;
}

fallible layer_mark_opaque(Store *store, int64_t number, const StringList *directories)
{
	char path[STORE_PATH_MAX];
	autofd root = -1;

	staged_path(path, number);
	TRY(dir_open(&root, store->dir, path));
	for (size_t i = 0; i < directories->count; i++) {
		autofd fd = -1;
		TRY(fault("store.layer.mark"));
		TRY(open_below(&fd, root, directories->items[i]));
		if (fsetxattr(fd, opaque_mark, "y", 1, 0) < 0)
			return error_errno(errno, "could not mark directory \"%s\" opaque", directories->items[i]);
	}
	return NULL;
}

/* ---- committing ---- */

typedef struct Commit {
	Store *store;
	Layer *layers; /* those that are new, in layers/ */
	size_t count;
} Commit;

static bool commit_has(const Commit *commit, const Digest *diff_id)
{
	for (size_t i = 0; i < commit->count; i++)
		if (digest_equal(&commit->layers[i].diff_id, diff_id))
			return true;
	return false;
}

static fallible move_in(Commit *commit, const Layer *layer)
{
	char staged[STORE_PATH_MAX], path[STORE_PATH_MAX];
	Layer moved = *layer;
	autofd fd = -1;

	staged_path(staged, layer->number);
	layer_path(path, layer->number);
	TRY(dir_open(&fd, commit->store->dir, staged));
	layer_describe(fd, layer);
	moved.is_opaque = is_marked_opaque(fd);
	TRY(fault("store.layer.rename"));
	if (renameat(commit->store->dir, staged, commit->store->dir, path) < 0)
		return error_errno(errno, "could not rename \"%s\" to \"%s\"", staged, path);
	commit->layers[commit->count++] = moved;
	return NULL;
}

static fallible move_in_or_drop(Commit *commit, const Layer *layer)
{
	bool is_known = false;
	Layer known;

	TRY(layer_find(commit->store, &layer->diff_id, &known, &is_known));
	if (is_known || commit_has(commit, &layer->diff_id))
		return layer_abandon(commit->store, layer->number);
	return move_in(commit, layer);
}

static Error *insert_steps(void *arg)
{
	const Commit *commit = arg;

	for (size_t i = 0; i < commit->count; i++)
		TRY(layer_insert(commit->store, &commit->layers[i]));
	return NULL;
}

static fallible commit_steps(Commit *commit, const Layer *layers, size_t count)
{
	TRY(store_sync_if_needed(commit->store));
	for (size_t i = 0; i < count; i++)
		TRY(move_in_or_drop(commit, &layers[i]));
	if (!commit->count)
		return NULL;
	TRY(fault("store.layer.sync"));
	TRY(file_sync_dir(commit->store->dir, "layers"));
	return database_write(commit->store->database, insert_steps, commit);
}

static void commit_undo(const Commit *commit, const Layer *layers, size_t count)
{
	char path[STORE_PATH_MAX];

	for (size_t i = 0; i < commit->count; i++) {
		layer_path(path, commit->layers[i].number);
		error_free(store_discard(commit->store, path)); /* what stays is dropped at the next start */
	}
	for (size_t i = 0; i < count; i++)
		error_free(layer_abandon(commit->store, layers[i].number)); /* the same */
}

fallible layers_commit(Store *store, const Layer *layers, size_t count)
{
	autofree Layer *moved = mem_array(NULL, count ? count : 1, sizeof(Layer));
	Commit commit = {.store = store, .layers = moved};

	Error *error = commit_steps(&commit, layers, count);
	if (error)
		commit_undo(&commit, layers, count);
	return error;
}

/* ---- without blobs ---- */

static Error *drop_blobs_steps(void *arg)
{
	Store *store = arg;

	TRY(database_run(store->database, "UPDATE layers SET blob = NULL, blob_size = 0 WHERE blob IS NOT NULL", ""));
	return database_run(store->database, "DELETE FROM image_blobs", "");
}

fallible layers_drop_blobs(Store *store)
{
	int64_t kept = 0;

	TRY(database_number(&kept, store->database,
		"SELECT (SELECT count(*) FROM layers WHERE blob IS NOT NULL) + (SELECT count(*) FROM image_blobs)",
		""));
	return kept ? database_write(store->database, drop_blobs_steps, store) : NULL;
}

// SPDX-License-Identifier: Apache-2.0
#include "store/salvage.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/fault.h"
#include "base/files.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/strings.h"

enum { BAD_FILES_MAX = 8, GAP_MAX = 65536, GAP_UNKNOWN = 4096 };

typedef struct TableText {
	const char *name, *upwards, *downwards, *one, *insert;
} TableText;

/* By key and without indexes, in both directions and one by one: around a page that cannot be read there is a way from
 * the other side. */
#define TABLE(table, key, columns, marks)                                                                              \
	{                                                                                                              \
		.name = table, .upwards = "SELECT " key ", " columns " FROM " table " NOT INDEXED ORDER BY " key,      \
		.downwards = "SELECT " key ", " columns " FROM " table " NOT INDEXED WHERE " key " > ? ORDER BY " key  \
			     " DESC",                                                                                  \
		.one = "SELECT " key ", " columns " FROM " table " NOT INDEXED WHERE " key " = ?",                     \
		.insert = "INSERT OR IGNORE INTO " table "(" key ", " columns ") VALUES(?, " marks ")",                \
	}

static const TableText tables[] = {
	TABLE("records", "seq", "kind, id, name, json, sum", "?, ?, ?, ?, ?"),
	TABLE("layers", "number", "diff_id, blob, blob_size, bytes, is_opaque", "?, ?, ?, ?, ?"),
	TABLE("images", "seq",
		"id, config_size, manifest, manifest_size, created_ns, added_ns, architecture, os, variant, labels, "
		"layer_count, is_hidden",
		"?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?"),
	TABLE("image_layers", "seq", "image, position, layer", "?, ?, ?"),
	TABLE("image_blobs", "seq", "image, blob", "?, ?"),
	TABLE("names", "seq", "name, image, is_digest", "?, ?, ?"),
	TABLE("pins", "seq", "container, image", "?, ?"),
	TABLE("set_aside", "seq", "kind, id, name, json, reason, boot", "?, ?, ?, ?, ?, ?"),
};

typedef struct Salvage {
	Database *from, *to;
	const TableText *table;
	int64_t copied;
	int64_t lowest, highest; /* last keys that were read upwards and downwards */
} Salvage;

/* The reason is always the same here: the page cannot be read. */
static bool row_next(Query *query)
{
	bool has_row = false;
	Error *error = query_next(query, &has_row);

	error_free(error);
	return !error && has_row;
}

static void copy_row(Salvage *salvage, const Query *query)
{
	Error *error = database_copy_row(salvage->to, salvage->table->insert, query);

	if (error)
		error_log(error, "a row of \"%s\" is lost", salvage->table->name);
	else
		salvage->copied++;
}

static void copy_upwards(Salvage *salvage)
{
	autoclear(Query) query = {0};

	salvage->lowest = 0;
	Error *error = database_query(&query, salvage->from, salvage->table->upwards, "");
	if (error)
		error_log(error, "table \"%s\" cannot be read", salvage->table->name);
	else
		for (; row_next(&query); salvage->lowest = query_int(&query, 0))
			copy_row(salvage, &query);
}

static void copy_downwards(Salvage *salvage)
{
	autoclear(Query) query = {0};

	salvage->highest = 0;
	Error *error = database_query(&query, salvage->from, salvage->table->downwards, "i", salvage->lowest);
	if (!error)
		for (; row_next(&query); salvage->highest = query_int(&query, 0))
			copy_row(salvage, &query);
	error_free(error); /* copy_upwards() has said so */
}

static void copy_one(Salvage *salvage, int64_t key)
{
	autoclear(Query) query = {0};

	Error *error = database_query(&query, salvage->from, salvage->table->one, "i", key);
	if (!error && row_next(&query))
		copy_row(salvage, &query);
	error_free(error); /* the same */
}

/* Between the two lies what neither direction could reach; how far it goes is not known where the highest end is
 * damaged too. */
static void copy_between(Salvage *salvage)
{
	int64_t end = salvage->highest ? salvage->highest : salvage->lowest + GAP_UNKNOWN;

	if (end - salvage->lowest > GAP_MAX)
		end = salvage->lowest + GAP_MAX;
	for (int64_t key = salvage->lowest + 1; key < end; key++)
		copy_one(salvage, key);
}

static Error *copy_steps(void *arg)
{
	Salvage *salvage = arg;

	for (size_t i = 0; i < sizeof(tables) / sizeof(*tables); i++) {
		salvage->table = &tables[i];
		salvage->copied = 0;
		copy_upwards(salvage);
		copy_downwards(salvage);
		copy_between(salvage);
		log_warning("the damaged database: %lld rows of \"%s\" could be read", (long long)salvage->copied,
			tables[i].name);
	}
	return NULL;
}

/* ---- files ---- */

static char *bad_name(int dir)
{
	char name[32] = "";

	for (int n = 1; n <= BAD_FILES_MAX; n++) {
		snprintf(name, sizeof(name), "kedge.db.bad-%d", n);
		if (!file_exists(dir, name))
			break;
	}
	return mem_strdup(name);
}

static fallible rename_if_there(int dir, const char *from, const char *to)
{
	if (renameat(dir, from, dir, to) < 0 && errno != ENOENT)
		return error_errno(errno, "could not rename \"%s\" to \"%s\"", from, to);
	return NULL;
}

/*
 * The old database is given its second name, its WAL goes, and only then the new one takes the place: a WAL must never
 * lie beside a database that is not its own, and at no moment there is none.
 */
static fallible put_in_place(int dir)
{
	autofree char *bad = bad_name(dir), *bad_wal = string_printf("%s-wal", bad);

	TRY(fault("store.salvage.aside"));
	TRY(file_unlink(dir, bad));
	if (linkat(dir, "kedge.db", dir, bad, 0) < 0)
		return error_errno(errno, "could not link \"kedge.db\" to \"%s\"", bad);
	TRY(rename_if_there(dir, "kedge.db-wal", bad_wal));
	TRY(fault("store.salvage.rename"));
	TRY(file_rename_durable(dir, "kedge.db.new", dir, "kedge.db"));
	TRY(file_unlink(dir, "kedge.db.new-wal")); /* there is nothing in it */
	log_error("the damaged database is kept as \"%s\"", bad);
	return NULL;
}

static const char *const leftovers[] = {"kedge.db.new", "kedge.db.new-wal", "kedge.db.new-journal", "reserve"};

/* Also the reserve: this is what it is for. */
static fallible make_way(int dir)
{
	for (size_t i = 0; i < sizeof(leftovers) / sizeof(*leftovers); i++)
		TRY(file_unlink(dir, leftovers[i]));
	return NULL;
}

static fallible make_new(Database **ret, const char *path)
{
	autofree char *new_path = string_printf("%s.new", path);
	Error *bad = NULL;

	TRY(database_open(ret, &bad, new_path));
	return bad;
}

/* A file of which nothing can be read gives an empty database. */
static fallible salvage_all(const char *path)
{
	autoptr(Database) from = NULL;
	autoptr(Database) to = NULL;

	TRY(make_new(&to, path));
	Error *error = database_open_damaged(&from, path);
	if (error) {
		error_log(error, "nothing of the damaged database can be read");
		return NULL;
	}
	Salvage salvage = {.from = from, .to = to};
	TRY(fault("store.salvage.copy"));
	return database_write(to, copy_steps, &salvage);
}

fallible database_open_or_salvage(Database **ret, bool *ret_lost, int dir, const char *path)
{
	Error *bad = NULL;

	TRY(database_open(ret, &bad, path));
	if (!bad) {
		*ret_lost = database_is_new(*ret);
		return NULL;
	}
	log_error("%s: what can be read of it goes into a new one", error_message(bad));
	bad = error_free(bad); /* said above */
	TRY(make_way(dir));
	TRY(salvage_all(path));
	TRY(put_in_place(dir));
	*ret_lost = true;
	TRY(database_open(ret, &bad, path));
	return bad;
}

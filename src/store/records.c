// SPDX-License-Identifier: Apache-2.0
#include "store/records.h"

#include <errno.h>
#include <string.h>

#include "base/fault.h"
#include "base/memory.h"
#include "base/strings.h"
#include "store/internal.h"

enum { RECORD_LARGE = 256 << 10, ROOM_FOR_NEW = 1 << 20 };

typedef struct Record {
	Store *store;
	const char *kind, *id, *name, *json, *reason;
} Record;

/* FNV-1a over 64 bits: finds bytes that changed on the disk, not an adversary. */
int64_t record_sum(const char *json)
{
	uint64_t sum = UINT64_C(0xcbf29ce484222325);

	for (; *json; json++)
		sum = (sum ^ (unsigned char)*json) * UINT64_C(0x100000001b3);
	return (int64_t)sum;
}

static fallible name_check_free(const Record *record)
{
	autoclear(Query) query = {0};
	bool is_taken = false;

	TRY(database_query(&query, record->store->database,
		"SELECT id FROM records WHERE kind = ? AND name = ? AND id <> ?", "sss", record->kind, record->name,
		record->id));
	TRY(query_next(&query, &is_taken));
	if (!is_taken)
		return NULL;
	return error_new(ERROR_CONFLICT, "the name \"%s\" is in use by %s \"%s\"", record->name, record->kind,
		query_text(&query, 0));
}

static Error *put_steps(void *arg)
{
	const Record *record = arg;
	Database *database = record->store->database;

	/* Most changes leave the name as it is: without its index, half the pages are written and synced. */
	TRY(database_run(database, "UPDATE records SET json = ?4, sum = ?5 WHERE kind = ?1 AND id = ?2 AND name IS ?3",
		"ssssi", record->kind, record->id, record->name, record->json, record_sum(record->json)));
	if (database_changes(database))
		return NULL;
	if (record->name)
		TRY(name_check_free(record));
	return database_run(database,
		"INSERT INTO records(kind, id, name, json, sum) VALUES(?1, ?2, ?3, ?4, ?5)"
		" ON CONFLICT(kind, id) DO UPDATE SET name = ?3, json = ?4, sum = ?5",
		"ssssi", record->kind, record->id, record->name, record->json, record_sum(record->json));
}

static fallible is_new(bool *ret, const Record *record)
{
	int64_t seq = 0;

	TRY(database_number(&seq, record->store->database, "SELECT seq FROM records WHERE kind = ? AND id = ?", "ss",
		record->kind, record->id));
	*ret = !seq;
	return NULL;
}

/* The reserve is there to change and end what exists: what is new or large must fit beside it. */
static fallible check_room(const Record *record, size_t length)
{
	bool needs_room = length > RECORD_LARGE;

	if (length > RECORD_MAX)
		return error_new(ERROR_TOO_LARGE, "the record of %s \"%s\" is larger than %d bytes", record->kind,
			record->id, RECORD_MAX);
	if (!reserve_is_short_of(record->store, ROOM_FOR_NEW + 4 * length))
		return NULL;
	if (!needs_room)
		TRY(is_new(&needs_room, record));
	if (!needs_room)
		return NULL;
	return error_hint(error_errno(ENOSPC, "could not write the record of %s \"%s\"", record->kind, record->id),
		"free some space on the disk that holds the store");
}

fallible record_put(Store *store, const char *kind, const char *id, const char *name, const char *json)
{
	Record record = {.store = store, .kind = kind, .id = id, .name = name, .json = json};

	TRY(check_room(&record, strlen(json)));
	TRY(fault("store.record.put"));
	return database_write(store->database, put_steps, &record);
}

static Error *delete_steps(void *arg)
{
	const Record *record = arg;
	Database *database = record->store->database;

	TRY(database_run(database, "DELETE FROM records WHERE kind = ? AND id = ?", "ss", record->kind, record->id));
	if (!string_equal(record->kind, "container"))
		return NULL;
	return database_run(database, "DELETE FROM pins WHERE container = ?", "s", record->id);
}

fallible record_delete(Store *store, const char *kind, const char *id)
{
	Record record = {.store = store, .kind = kind, .id = id};

	TRY(fault("store.record.delete"));
	return database_write(store->database, delete_steps, &record);
}

static Error *aside_steps(void *arg)
{
	const Record *record = arg;

	TRY(aside_put(record->store, record->kind, record->id, record->name, record->json, record->reason));
	return database_run(record->store->database, "DELETE FROM records WHERE kind = ? AND id = ?", "ss",
		record->kind, record->id);
}

static fallible move_aside(
	Store *store, const char *kind, const char *id, const char *name, const char *json, const char *reason)
{
	Record record = {.store = store, .kind = kind, .id = id, .name = name, .json = json, .reason = reason};

	return database_write(store->database, aside_steps, &record);
}

fallible record_set_aside(Store *store, const char *kind, const char *id, const char *reason)
{
	autofree char *name = NULL, *json = NULL;
	autoclear(Query) query = {0};
	bool has_row = false;

	TRY(database_query(
		&query, store->database, "SELECT name, json FROM records WHERE kind = ? AND id = ?", "ss", kind, id));
	TRY(query_next(&query, &has_row));
	if (!has_row)
		return NULL;
	name = mem_strdup(query_text(&query, 0));
	json = mem_strdup(query_text(&query, 1));
	query_end(&query);
	return move_aside(store, kind, id, name, json, reason);
}

fallible record_each(Store *store, const char *kind,
	void (*visit)(void *arg, const char *id, const char *name, const char *json), void *arg)
{
	autoclear(Query) query = {0};
	bool has_row = false;

	/* The plus keeps SQLite off the index, which would give another order. */
	TRY(database_query(&query, store->database,
		"SELECT id, name, json, sum FROM records WHERE +kind = ? ORDER BY seq", "s", kind));
	for (;;) {
		TRY(query_next(&query, &has_row));
		if (!has_row)
			return NULL;
		const char *id = query_text(&query, 0), *name = query_text(&query, 1), *json = query_text(&query, 2);
		if (record_sum(json) == query_int(&query, 3))
			visit(arg, id, name, json);
		else
			TRY(move_aside(
				store, kind, id, name, json, "its checksum does not fit: bytes changed on the disk"));
	}
}

// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * SQLite, seen by database.c, schema.c and salvage.c alone: one connection, statements prepared once and kept,
 * transactions as a function that is run inside of them. A connection is used by one thread and locks the file for
 * itself.
 *
 * Parameters are listed by a format, one letter each: s text (NULL is NULL), i int64_t. SQL is passed as a string with
 * static storage, whose address is the key of the prepared statement.
 */
#include <stdbool.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/error.h"

typedef struct Database Database;

typedef enum Room {
	ROOM_BEFORE,         /* a transaction begins */
	ROOM_FOR_WRITE,      /* one met a full disk, and is tried again */
	ROOM_FOR_CHECKPOINT, /* moving the WAL's pages into the database did */
} Room;

typedef void MakeRoom(void *arg, Room room);

/*
 * Opens, makes or migrates the file. *ret_bad is set, and *ret NULL, when the file is no sound database of ours, with
 * the reason in it; a database of a newer version is an ERROR_UNSUPPORTED, and not a byte has changed.
 */
fallible database_open(Database **ret, Error **ret_bad, const char *path);
/* As it is, for salvage: nothing is checked, nothing is brought up to date, and closing leaves the WAL alone. */
fallible database_open_damaged(Database **ret, const char *path);
Database *database_close(Database *database);
DEFINE_AUTOPTR(Database, database_close)
void database_trim(Database *database); /* gives back pages and statements that it keeps; no query may be open */
bool database_is_new(const Database *database);                            /* was made by database_open() */
void database_on_full(Database *database, MakeRoom *make_room, void *arg); /* NULL: nobody */

fallible database_damaged(Database *database, const char *reason); /* an error that makes database_open() say "bad" */
fallible database_script(Database *database, const char *sql);     /* several statements, without parameters */
/* One statement without rows; durable on return unless it runs inside database_write(). */
fallible database_run(Database *database, const char *sql, const char *format, ...);
int64_t database_last_id(const Database *database); /* of the last INSERT */
int64_t database_changes(const Database *database); /* rows that the last statement touched */
/* One transaction, durable on return. A nested call joins it. steps may run a second time, after a rollback, when the
 * disk was full. */
fallible database_write(Database *database, Error *(*steps)(void *arg), void *arg);

typedef struct Query {
	Database *database;
	void *statement;
	bool is_owned; /* a second use of a statement that is busy */
} Query;

fallible database_query(Query *ret, Database *database, const char *sql, const char *format, ...);
fallible query_next(Query *query, bool *ret_has_row);
int64_t query_int(const Query *query, int column);
const char *query_text(const Query *query, int column); /* NULL for NULL; valid until the next row */
void query_end(Query *query);
DEFINE_AUTOCLEAR(Query, query_end)
/* Runs an INSERT with the values of the query's row as its parameters. */
fallible database_copy_row(Database *database, const char *insert, const Query *row);
/* The first column of the first row, 0 without one. */
fallible database_number(int64_t *ret, Database *database, const char *sql, const char *format, ...);

// SPDX-License-Identifier: Apache-2.0
#include "store/database.h"

#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fault.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/strings.h"
#include "store/schema.h"

/* The reserve is for many small writes: none takes more than so many steps of it. */
enum { STATEMENTS_MAX = 80, ROOM_TRIES = 2 };

/* Of the WAL from the start: what is written between two checkpoints fits, but for large transactions. */
enum { WAL_SIZE = 1310720, WAL_HEADER_SIZE = 32 };

typedef struct Kept {
	const char *sql;
	sqlite3_stmt *statement;
} Kept;

struct Database {
	sqlite3 *handle;
	char *wal; /* path of a WAL that is ours to change; NULL: it is not, or not yet */
	Kept kept[STATEMENTS_MAX];
	size_t kept_count;
	MakeRoom *make_room;
	void *make_room_arg;
	bool is_writing;
	bool is_damaged;
	bool is_new;
};

/* kedged is one thread and counts its kilobytes; both settings only take effect before SQLite is first used in the
 * process. */
static void configure_once(void)
{
	static bool is_done;

	if (is_done)
		return;
	is_done = true;
	sqlite3_config(SQLITE_CONFIG_SINGLETHREAD);
	sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
}

static bool is_full(sqlite3 *handle)
{
	int number = sqlite3_system_errno(handle);

	return sqlite3_errcode(handle) == SQLITE_FULL || number == ENOSPC || number == EDQUOT;
}

static bool is_damage(int code)
{
	return (code & 0xff) == SQLITE_CORRUPT || (code & 0xff) == SQLITE_NOTADB;
}

static fallible database_error(Database *database, const char *doing)
{
	sqlite3 *handle = database->handle;
	int code = sqlite3_errcode(handle);

	if (is_full(handle))
		return error_hint(error_errno(ENOSPC, "could not %s the store's database", doing),
			"free some space on the disk that holds the store");
	if ((code & 0xff) == SQLITE_READONLY)
		return error_errno(EROFS, "could not %s the store's database", doing);
	if (!is_damage(code))
		return error_new(
			ERROR_INTERNAL, "could not %s the store's database: %s", doing, sqlite3_errmsg(handle));
	database->is_damaged = true;
	return error_hint(
		error_new(ERROR_INTERNAL, "could not %s the store's database: %s", doing, sqlite3_errmsg(handle)),
		"restart kedged: at start it keeps what can still be read");
}

fallible database_damaged(Database *database, const char *reason)
{
	database->is_damaged = true;
	return error_new(ERROR_INTERNAL, "the store's database is damaged: %s", reason);
}

/* ---- statements ---- */

static fallible statement_prepare(sqlite3_stmt **ret, Database *database, const char *sql, unsigned flags)
{
	if (sqlite3_prepare_v3(database->handle, sql, -1, flags, ret, NULL) != SQLITE_OK)
		return database_error(database, "ask");
	return NULL;
}

static Kept *kept_find(Database *database, const char *sql)
{
	for (size_t i = 0; i < database->kept_count; i++)
		if (database->kept[i].sql == sql)
			return &database->kept[i];
	return NULL;
}

static fallible statement_find(Query *ret, Database *database, const char *sql)
{
	Kept *kept = kept_find(database, sql);
	sqlite3_stmt *statement = NULL;

	if (kept && !sqlite3_stmt_busy(kept->statement)) {
		*ret = (Query){.database = database, .statement = kept->statement};
		return NULL;
	}
	bool is_owned = kept || database->kept_count == STATEMENTS_MAX;
	TRY(statement_prepare(&statement, database, sql, is_owned ? 0 : SQLITE_PREPARE_PERSISTENT));
	if (!is_owned)
		database->kept[database->kept_count++] = (Kept){sql, statement};
	*ret = (Query){.database = database, .statement = statement, .is_owned = is_owned};
	return NULL;
}

static void statement_bind(sqlite3_stmt *statement, const char *format, va_list args)
{
	for (int i = 1; *format; format++, i++)
		if (*format == 'i')
			sqlite3_bind_int64(statement, i, va_arg(args, int64_t));
		else
			sqlite3_bind_text(statement, i, va_arg(args, const char *), -1, SQLITE_STATIC);
}

void query_end(Query *query)
{
	if (query->is_owned)
		sqlite3_finalize(query->statement);
	else if (query->statement) {
		sqlite3_reset(query->statement);
		sqlite3_clear_bindings(query->statement);
	}
	query->statement = NULL;
}

fallible query_next(Query *query, bool *ret_has_row)
{
	int code = sqlite3_step(query->statement);

	if (code != SQLITE_ROW && code != SQLITE_DONE)
		return database_error(query->database, "read");
	*ret_has_row = code == SQLITE_ROW;
	return NULL;
}

int64_t query_int(const Query *query, int column)
{
	return sqlite3_column_int64(query->statement, column);
}

const char *query_text(const Query *query, int column)
{
	return (const char *)sqlite3_column_text(query->statement, column);
}

static fallible query_start(Query *ret, Database *database, const char *sql, const char *format, va_list args)
{
	TRY(statement_find(ret, database, sql));
	statement_bind(ret->statement, format, args);
	return NULL;
}

fallible database_query(Query *ret, Database *database, const char *sql, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	Error *error = query_start(ret, database, sql, format, args);
	va_end(args);
	return error;
}

fallible database_number(int64_t *ret, Database *database, const char *sql, const char *format, ...)
{
	autoclear(Query) query = {0};
	bool has_row = false;
	va_list args;

	va_start(args, format);
	Error *error = query_start(&query, database, sql, format, args);
	va_end(args);
	TRY(error);
	TRY(query_next(&query, &has_row));
	*ret = has_row ? query_int(&query, 0) : 0;
	return NULL;
}

/* ---- writing ---- */

static void database_room(Database *database, Room room)
{
	if (database->make_room)
		database->make_room(database->make_room_arg, room);
}

static bool checkpoint(Database *database)
{
	return sqlite3_wal_checkpoint_v2(database->handle, NULL, SQLITE_CHECKPOINT_RESTART, NULL, NULL) == SQLITE_OK;
}

/*
 * After a write that met a full disk. A checkpoint lets the WAL begin anew in the space that it has, so that a change
 * of what is there needs none; it may need room itself where the database has grown. Whether all this helped is seen by
 * the next try.
 */
static void make_room(Database *database)
{
	database_room(database, ROOM_FOR_WRITE);
	for (int i = 0; !checkpoint(database) && i < ROOM_TRIES; i++)
		database_room(database, ROOM_FOR_CHECKPOINT);
}

static fallible step_done(Database *database, sqlite3_stmt *statement)
{
	if (sqlite3_step(statement) == SQLITE_DONE)
		return NULL;
	return database_error(database, "write");
}

static fallible run_once(Database *database, sqlite3_stmt *statement)
{
	sqlite3_reset(statement);
	return step_done(database, statement);
}

static bool is_full_error(const Error *error)
{
	return error && error_number(error) == ENOSPC;
}

/* A statement of its own is a transaction of its own. */
static fallible run_alone(Database *database, sqlite3_stmt *statement)
{
	int tries = ROOM_TRIES;

	database_room(database, ROOM_BEFORE);
	TRY(fault("store.database.write"));
	Error *error = run_once(database, statement);
	while (is_full_error(error) && tries-- > 0) {
		sqlite3_reset(statement);
		make_room(database);
		error_free(error); /* the next try's answer counts */
		error = run_once(database, statement);
	}
	return error;
}

fallible database_run(Database *database, const char *sql, const char *format, ...)
{
	autoclear(Query) query = {0};
	va_list args;

	va_start(args, format);
	Error *error = query_start(&query, database, sql, format, args);
	va_end(args);
	TRY(error);
	return database->is_writing ? step_done(database, query.statement) : run_alone(database, query.statement);
}

int64_t database_last_id(const Database *database)
{
	return sqlite3_last_insert_rowid(database->handle);
}

fallible database_copy_row(Database *database, const char *insert, const Query *row)
{
	autoclear(Query) query = {0};

	TRY(statement_find(&query, database, insert));
	for (int i = 0; i < sqlite3_column_count(row->statement); i++)
		sqlite3_bind_value(query.statement, i + 1, sqlite3_column_value(row->statement, i));
	return step_done(database, query.statement);
}

int64_t database_changes(const Database *database)
{
	return sqlite3_changes(database->handle);
}

static fallible transact(Database *database, Error *(*steps)(void *arg), void *arg)
{
	TRY(database_run(database, "BEGIN IMMEDIATE", ""));
	TRY(steps(arg));
	TRY(fault("store.database.commit"));
	return database_run(database, "COMMIT", "");
}

static fallible transact_or_undo(Database *database, Error *(*steps)(void *arg), void *arg)
{
	database->is_writing = true;
	Error *error = transact(database, steps, arg);
	/* Some failures have rolled back by themselves. That the rest could not is not worth more than the first error.
	 */
	if (!sqlite3_get_autocommit(database->handle))
		sqlite3_exec(database->handle, "ROLLBACK", NULL, NULL, NULL);
	database->is_writing = false;
	return error;
}

fallible database_write(Database *database, Error *(*steps)(void *arg), void *arg)
{
	int tries = ROOM_TRIES;

	if (database->is_writing)
		return steps(arg);
	database_room(database, ROOM_BEFORE);
	Error *error = transact_or_undo(database, steps, arg);
	while (is_full_error(error) && tries-- > 0) {
		make_room(database);
		error_free(error); /* the next try's answer counts */
		error = transact_or_undo(database, steps, arg);
	}
	return error;
}

void database_on_full(Database *database, MakeRoom *handler, void *arg)
{
	database->make_room = handler;
	database->make_room_arg = arg;
}

/* ---- opening ---- */

static const char *const settings[] = {
	"PRAGMA auto_vacuum = NONE",
	"PRAGMA journal_mode = WAL",
	"PRAGMA synchronous = FULL",
	"PRAGMA cache_size = -256",
	"PRAGMA mmap_size = 0",
	"PRAGMA temp_store = MEMORY",
	"PRAGMA secure_delete = FAST",
	"PRAGMA wal_autocheckpoint = 256",
	"PRAGMA journal_size_limit = 1310720", /* WAL_SIZE */
	"PRAGMA trusted_schema = OFF",
};

fallible database_script(Database *database, const char *sql)
{
	if (sqlite3_exec(database->handle, sql, NULL, NULL, NULL) != SQLITE_OK)
		return database_error(database, "set up");
	return NULL;
}

static fallible settings_apply(Database *database)
{
	for (size_t i = 0; i < sizeof(settings) / sizeof(*settings); i++)
		TRY(database_script(database, settings[i]));
	return NULL;
}

/* 2-3 ms for 6 MB, well under one for a usual store: every start can afford it. */
static fallible integrity_check(Database *database)
{
	autoclear(Query) query = {0};
	bool has_row = false;

	TRY(database_query(&query, database, "PRAGMA integrity_check(1)", ""));
	TRY(query_next(&query, &has_row));
	if (has_row && strcmp(query_text(&query, 0), "ok") == 0)
		return NULL;
	return database_damaged(database, has_row ? query_text(&query, 0) : "no answer");
}

/* SQLite gives its files the mode of the database, which holds environments with secrets (invariant 9). */
static void make_private(const char *path)
{
	autofd fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);

	(void)fd; /* one that is there keeps its mode, and what could not be made SQLite reports */
}

static fallible database_connect(Database *database, const char *path)
{
	int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOFOLLOW, keep_wal = 1;

	configure_once();
	make_private(path);
	if (sqlite3_open_v2(path, &database->handle, flags, NULL) != SQLITE_OK)
		return database_error(database, "open");
	sqlite3_extended_result_codes(database->handle, 1);
	/* A disk without a free inode would have no place for a new WAL at the next start. */
	sqlite3_file_control(database->handle, NULL, SQLITE_FCNTL_PERSIST_WAL, &keep_wal);
	/* What a newer kedged has left in the WAL stays there when this one turns back. */
	sqlite3_db_config(database->handle, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
	sqlite3_limit(database->handle, SQLITE_LIMIT_LENGTH, 64 << 20);
	/* Keeps the WAL's index on the heap: no shared memory file, no lock call per transaction. */
	return database_script(database, "PRAGMA locking_mode = EXCLUSIVE");
}

static bool fill(int fd, off_t from)
{
	static const char zeros[64 * 1024];

	while (from < WAL_SIZE) {
		size_t length = WAL_SIZE - from < (off_t)sizeof(zeros) ? (size_t)(WAL_SIZE - from) : sizeof(zeros);
		ssize_t count = pwrite(fd, zeros, length, from);
		if (count <= 0)
			return false;
		from += count;
	}
	return fdatasync(fd) == 0;
}

/*
 * A commit that makes the file longer has its new length in the file system's journal, and fdatasync() on ext4 does not
 * wait for that when somebody else, syncfs() for one, is writing the same pages: a power cut can then take the commit
 * back. One that writes where zeros were needs the disk's cache flushed, and nothing else. Zeros are no frame: SQLite
 * reads up to them.
 */
static void lengthen_wal(const char *wal)
{
	autofd fd = open(wal, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	struct stat status;

	if (fd < 0 || fstat(fd, &status) < 0 || status.st_size >= WAL_SIZE || fill(fd, status.st_size))
		return;
	if (ftruncate(fd, status.st_size) < 0) /* a full disk has better use for it */
		log_debug("could not shorten \"%s\"", wal);
}

static fallible database_prepare(Database *database, const char *path)
{
	TRY(schema_check_file(path));
	TRY(database_connect(database, path));
	TRY(schema_check(database));
	TRY(settings_apply(database));
	TRY(integrity_check(database));
	TRY(schema_migrate(database, &database->is_new));
	database->wal = string_printf("%s-wal", path);
	lengthen_wal(database->wal);
	sqlite3_db_config(database->handle, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 0, NULL);
	return NULL;
}

fallible database_open(Database **ret, Error **ret_bad, const char *path)
{
	autoptr(Database) database = mem_new(Database);

	Error *error = database_prepare(database, path);
	if (!error)
		*ret = take(database);
	else if (database->is_damaged)
		*ret_bad = error;
	else
		return error;
	return NULL;
}

bool database_is_new(const Database *database)
{
	return database->is_new;
}

fallible database_open_damaged(Database **ret, const char *path)
{
	autoptr(Database) database = mem_new(Database);

	TRY(database_connect(database, path));
	*ret = take(database);
	return NULL;
}

static void drop_statements(Database *database)
{
	for (size_t i = 0; i < database->kept_count; i++)
		sqlite3_finalize(database->kept[i].statement);
	database->kept_count = 0;
}

void database_trim(Database *database)
{
	drop_statements(database);
	sqlite3_db_release_memory(database->handle);
}

static bool is_written_back(Database *database)
{
	int frames = 0, written = -1;

	return sqlite3_wal_checkpoint_v2(database->handle, NULL, SQLITE_CHECKPOINT_PASSIVE, &frames, &written) ==
		       SQLITE_OK &&
	       frames == written;
}

/* Without its header it says nothing: all of it is in the database, and need not be read at the next start. */
static void empty_wal(const char *wal)
{
	static const char nothing[WAL_HEADER_SIZE];
	autofd fd = open(wal, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);

	if (fd < 0 || pwrite(fd, nothing, sizeof(nothing), 0) < 0)
		log_debug("could not empty \"%s\": %s", wal, strerror(errno));
}

/* SQLite would cut the WAL. */
static void leave_wal_long(Database *database)
{
	sqlite3_exec(database->handle, "PRAGMA journal_size_limit = -1", NULL, NULL, NULL);
}

Database *database_close(Database *database)
{
	bool is_done;

	if (!database)
		return NULL;
	drop_statements(database);
	is_done = database->wal && is_written_back(database);
	if (is_done)
		leave_wal_long(database);
	sqlite3_close(database->handle);
	if (is_done)
		empty_wal(database->wal);
	free(database->wal);
	free(database);
	return NULL;
}

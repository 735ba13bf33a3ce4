// SPDX-License-Identifier: Apache-2.0
#include "store/schema.h"

#include <endian.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/files.h"
#include "base/log.h"

enum { APPLICATION = 0x6b656467 }; /* "kedg" */

/*
 * Step n leads from version n to n + 1; a step that was released is never changed.
 *
 * Every table has an integer key, so that what is left of a damaged one can be read row by row. records.sum finds a
 * document whose bytes have changed. An image that was deleted while containers pin it is hidden, and goes with its
 * last pin; pins speak of images by id, so that an image that is pulled again serves them too. set_aside holds what
 * recovery took out of the way: json is NULL for what is known by its directory only.
 */
static const char *const steps[] = {
	"PRAGMA application_id = 0x6b656467;"
	"CREATE TABLE records(seq INTEGER PRIMARY KEY, kind TEXT NOT NULL, id TEXT NOT NULL, name TEXT, json TEXT NOT "
	"NULL, sum INTEGER NOT NULL,"
	" UNIQUE(kind, id), UNIQUE(kind, name));"
	"CREATE TABLE layers(number INTEGER PRIMARY KEY, diff_id TEXT NOT NULL UNIQUE, blob TEXT, blob_size INTEGER "
	"NOT NULL,"
	" bytes INTEGER NOT NULL, is_opaque INTEGER NOT NULL);"
	"CREATE TABLE images(seq INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, config_size INTEGER NOT NULL, manifest "
	"TEXT,"
	" manifest_size INTEGER NOT NULL, created_ns INTEGER NOT NULL, added_ns INTEGER NOT NULL, architecture TEXT, "
	"os TEXT, variant TEXT,"
	" labels TEXT NOT NULL, layer_count INTEGER NOT NULL, is_hidden INTEGER NOT NULL);"
	"CREATE TABLE image_layers(seq INTEGER PRIMARY KEY, image INTEGER NOT NULL, position INTEGER NOT NULL, layer "
	"INTEGER NOT NULL,"
	" UNIQUE(image, position));"
	"CREATE INDEX image_layers_by_layer ON image_layers(layer);"
	"CREATE TABLE image_blobs(seq INTEGER PRIMARY KEY, image INTEGER NOT NULL, blob TEXT NOT NULL, UNIQUE(image, "
	"blob));"
	"CREATE TABLE names(seq INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, image INTEGER NOT NULL, is_digest "
	"INTEGER NOT NULL);"
	"CREATE INDEX names_by_image ON names(image);"
	"CREATE TABLE pins(seq INTEGER PRIMARY KEY, container TEXT NOT NULL UNIQUE, image TEXT NOT NULL);"
	"CREATE INDEX pins_by_image ON pins(image);"
	"CREATE TABLE set_aside(seq INTEGER PRIMARY KEY, kind TEXT NOT NULL, id TEXT NOT NULL, name TEXT, json TEXT, "
	"reason TEXT NOT NULL,"
	" boot TEXT NOT NULL);"
	"PRAGMA user_version = 1;",
	/* Records of kind "volume", and containers that stand on them: who does not know them would run such containers
	 * without their data. */
	"PRAGMA user_version = 2;",
};

enum { SCHEMA_VERSION = sizeof(steps) / sizeof(*steps) };

static fallible check_version(int64_t version)
{
	if (version <= SCHEMA_VERSION)
		return NULL;
	return error_hint(error_new(ERROR_UNSUPPORTED,
				  "the store was written by a newer kedge: its version is %lld, this kedge knows %d",
				  (long long)version, SCHEMA_VERSION),
		"install a kedge at least as new as the one that wrote it; nothing was changed");
}

/* Source: sqlite.org/fileformat2.html section 1.3: magic, user version at 60, application id at 68, big endian. */
fallible schema_check_file(const char *path)
{
	struct {
		char magic[60];
		uint32_t version, incremental, application;
	} header;

	autofd fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0 || pread(fd, &header, sizeof(header), 0) != sizeof(header))
		return NULL;
	if (memcmp(header.magic, "SQLite format 3", 16) != 0 || be32toh(header.application) != APPLICATION)
		return NULL;
	return check_version((int32_t)be32toh(header.version));
}

fallible schema_check(Database *database)
{
	int64_t application = 0, version = 0, tables = 0;

	TRY(database_number(&application, database, "PRAGMA application_id", ""));
	TRY(database_number(&version, database, "PRAGMA user_version", ""));
	TRY(database_number(&tables, database, "SELECT count(*) FROM sqlite_schema", ""));
	if (application == APPLICATION)
		return check_version(version);
	if (application != 0 || version != 0 || tables != 0)
		return database_damaged(database, "it bears another application's mark");
	return NULL;
}

static Error *migrate_one(void *arg)
{
	Database *database = arg;
	int64_t version = 0;

	TRY(database_number(&version, database, "PRAGMA user_version", ""));
	return database_script(database, steps[version]);
}

fallible schema_migrate(Database *database, bool *ret_is_new)
{
	int64_t from = 0;

	TRY(database_number(&from, database, "PRAGMA user_version", ""));
	if (from < 0)
		return database_damaged(database, "its version is negative");
	for (int64_t version = from; version < SCHEMA_VERSION; version++)
		TRY_WRAP(database_write(database, migrate_one, database), "store version %lld", (long long)version + 1);
	if (from > 0 && from < SCHEMA_VERSION)
		log_info("the store was brought from version %lld to %d", (long long)from, SCHEMA_VERSION);
	*ret_is_new = from == 0;
	return NULL;
}

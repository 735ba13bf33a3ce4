// SPDX-License-Identifier: Apache-2.0
#include "device/snapshots.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/fault.h"
#include "base/files.h"
#include "base/log.h"
#include "base/memory.h"
#include "oci/digest.h"
#include "json/writer.h"

struct Snapshots {
	char *directory;
	int64_t *numbers; /* ascending */
	size_t count;
	char *newest_digest; /* of its content; NULL: unknown */
};

static char *path_of(const Snapshots *snapshots, int64_t number)
{
	return string_printf("%s/%lld.json", snapshots->directory, (long long)number);
}

/* ---- reading ---- */

static void content_digest(Digest *ret, const Value *content)
{
	autoclear(Buffer) text = {0};

	value_write(content, &text);
	digest_of(ret, buffer_text(&text), text.length);
}

static fallible check(const Value *snapshot)
{
	const char *digest = value_string(value_get(snapshot, "digest"));
	Digest actual;

	if (!value_is_object(value_get(snapshot, "content")) || !digest)
		return error_new(ERROR_INTERNAL, "it has no content, or no digest");
	content_digest(&actual, value_get(snapshot, "content"));
	if (strcmp(actual.text, digest) != 0)
		return error_new(ERROR_INTERNAL, "its content is not what its digest says");
	return NULL;
}

static fallible read_one(Value **ret, const Snapshots *snapshots, int64_t number)
{
	autofree char *path = path_of(snapshots, number);
	autofree char *text = NULL;
	autoptr(Value) snapshot = NULL;
	size_t length;

	TRY(file_read(&text, &length, AT_FDCWD, path, SNAPSHOT_SIZE_MAX));
	TRY_WRAP(value_parse(&snapshot, text, length), "snapshot %lld", (long long)number);
	TRY_WRAP(check(snapshot), "snapshot %lld is damaged", (long long)number);
	*ret = take(snapshot);
	return NULL;
}

static bool has_number(const Snapshots *snapshots, int64_t number)
{
	for (size_t i = 0; i < snapshots->count; i++)
		if (snapshots->numbers[i] == number)
			return true;
	return false;
}

/* The newest one that can be read, where none is asked for. */
fallible snapshots_get(Value **ret, const Snapshots *snapshots, int64_t number)
{
	if (number > 0 && !has_number(snapshots, number))
		return error_new(ERROR_NOT_FOUND, "there is no snapshot %lld", (long long)number);
	if (number > 0)
		return read_one(ret, snapshots, number);
	for (size_t i = snapshots->count; i-- > 0;) {
		Error *error = read_one(ret, snapshots, snapshots->numbers[i]);
		if (!error)
			return NULL;
		error_log(error, "snapshots");
	}
	return error_new(ERROR_NOT_FOUND, "there is no snapshot");
}

void snapshots_each(const Snapshots *snapshots, void (*visit)(void *arg, const Value *snapshot), void *arg)
{
	for (size_t i = 0; i < snapshots->count; i++) {
		autoptr(Value) snapshot = NULL;
		Error *error = read_one(&snapshot, snapshots, snapshots->numbers[i]);
		if (error)
			error_log(error, "snapshots");
		else
			visit(arg, snapshot);
	}
}

int64_t snapshots_newest(const Snapshots *snapshots)
{
	return snapshots->count ? snapshots->numbers[snapshots->count - 1] : 0;
}

int64_t snapshots_before(const Snapshots *snapshots, int64_t number)
{
	for (size_t i = snapshots->count; i-- > 0;)
		if (snapshots->numbers[i] < number)
			return snapshots->numbers[i];
	return 0;
}

/* ---- writing ---- */

static void write_snapshot(Buffer *out, int64_t number, const char *why, const Digest *digest, const Value *content)
{
	char when[CLOCK_TEXT_MAX];
	Writer writer;

	clock_format(when, clock_wall_ns());
	writer_init(&writer, out);
	write_object(&writer, NULL);
	write_int(&writer, "number", number);
	write_string(&writer, "time", when);
	write_string(&writer, "why", why);
	write_string(&writer, "digest", digest->text);
	write_value(&writer, "content", content);
	write_object_end(&writer);
}

static void add_number(Snapshots *snapshots, int64_t number)
{
	snapshots->numbers = mem_array(snapshots->numbers, snapshots->count + 1, sizeof(*snapshots->numbers));
	snapshots->numbers[snapshots->count++] = number;
}

/* How many of the newest are kept: not more than that many, nor bytes. */
static size_t worth_keeping(const Snapshots *snapshots)
{
	int64_t bytes = 0;
	size_t kept = 0;

	for (; kept < snapshots->count && kept < SNAPSHOTS_KEPT; kept++) {
		autofree char *path = path_of(snapshots, snapshots->numbers[snapshots->count - 1 - kept]);
		struct stat status;
		bytes += stat(path, &status) == 0 ? status.st_size : 0;
		if (kept && bytes > SNAPSHOTS_BYTES_MAX)
			break;
	}
	return kept;
}

static void drop_oldest(Snapshots *snapshots)
{
	size_t kept = worth_keeping(snapshots);

	while (snapshots->count > kept) {
		autofree char *path = path_of(snapshots, snapshots->numbers[0]);
		Error *error = file_unlink(AT_FDCWD, path);
		if (error)
			error_log(error, "an old snapshot stays");
		memmove(snapshots->numbers, snapshots->numbers + 1, --snapshots->count * sizeof(*snapshots->numbers));
	}
}

fallible snapshots_add(Snapshots *snapshots, const Value *content, const char *why)
{
	int64_t number = snapshots_newest(snapshots) + 1;
	autofree char *path = path_of(snapshots, number);
	autoclear(Buffer) text = {.limit = SNAPSHOT_SIZE_MAX};
	Digest digest;

	content_digest(&digest, content);
	if (string_equal(digest.text, snapshots->newest_digest))
		return NULL;
	write_snapshot(&text, number, why, &digest, content);
	if (buffer_overflown(&text))
		return error_new(ERROR_TOO_LARGE, "what is declared is over %d MiB", SNAPSHOT_SIZE_MAX >> 20);
	TRY(fault("device.snapshot"));
	TRY(file_replace_durable(AT_FDCWD, path, buffer_text(&text), text.length, 0600));
	add_number(snapshots, number);
	string_replace(&snapshots->newest_digest, digest.text);
	drop_oldest(snapshots);
	return NULL;
}

/* ---- life ---- */

static fallible note_file(void *arg, int dir, const char *name, unsigned char type)
{
	Snapshots *snapshots = arg;
	autofree char *digits = mem_strndup(name, strcspn(name, "."));
	int64_t number;
	Error *error = string_to_int64(&number, digits, 1, INT64_MAX - 1);

	(void)dir;
	(void)type;
	if (!error && strcmp(name + strlen(digits), ".json") == 0)
		add_number(snapshots, number);
	error_free(error); /* no file of ours */
	return NULL;
}

static int by_number(const void *a, const void *b)
{
	int64_t left = *(const int64_t *)a, right = *(const int64_t *)b;

	return (left > right) - (left < right);
}

static void note_newest(Snapshots *snapshots)
{
	autoptr(Value) newest = NULL;
	Error *error = snapshots->count ? read_one(&newest, snapshots, snapshots_newest(snapshots)) : NULL;

	if (error)
		error_log(error, "snapshots");
	else
		string_replace(&snapshots->newest_digest, value_string(value_get(newest, "digest")));
}

fallible snapshots_new(Snapshots **ret, const char *directory)
{
	autoptr(Snapshots) snapshots = mem_new(Snapshots);

	snapshots->directory = mem_strdup(directory);
	TRY(dir_make_all(AT_FDCWD, directory, 0700));
	TRY(dir_each(AT_FDCWD, directory, note_file, snapshots));
	if (snapshots->count)
		qsort(snapshots->numbers, snapshots->count, sizeof(*snapshots->numbers), by_number);
	note_newest(snapshots);
	*ret = take(snapshots);
	return NULL;
}

Snapshots *snapshots_free(Snapshots *snapshots)
{
	if (!snapshots)
		return NULL;
	free(snapshots->directory);
	free(snapshots->numbers);
	free(snapshots->newest_digest);
	free(snapshots);
	return NULL;
}

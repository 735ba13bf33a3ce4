// SPDX-License-Identifier: Apache-2.0
#include "store/blobs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fault.h"
#include "base/files.h"
#include "store/internal.h"

void blob_path(char ret[STORE_PATH_MAX], const Digest *digest)
{
	const char *hex = digest_hex(digest);

	snprintf(ret, STORE_PATH_MAX, "blobs/%.*s/%s", (int)(hex - digest->text) - 1, digest->text, hex);
}

static void staged_path(char ret[STORE_PATH_MAX], const Digest *digest, const char *suffix)
{
	snprintf(ret, STORE_PATH_MAX, "staging/%s.%s", digest->text, suffix);
}

int64_t blob_size(const Store *store, const Digest *digest)
{
	char path[STORE_PATH_MAX];
	struct stat status;

	if (!digest_is_set(digest))
		return -1;
	blob_path(path, digest);
	if (fstatat(store->dir, path, &status, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISREG(status.st_mode) || !status.st_size)
		return -1;
	return status.st_size;
}

bool blob_has(Store *store, const Digest *digest, int64_t *ret_size)
{
	int64_t size = blob_size(store, digest);

	if (size >= 0 && ret_size)
		*ret_size = size;
	return size >= 0;
}

fallible blob_open(int *ret_fd, Store *store, const Digest *digest)
{
	char path[STORE_PATH_MAX];

	blob_path(path, digest);
	return file_open(ret_fd, store->dir, path, O_RDONLY | O_NOFOLLOW, 0);
}

fallible blob_read(char **ret, size_t *ret_length, Store *store, const Digest *digest, size_t max)
{
	autofd fd = -1;

	TRY(blob_open(&fd, store, digest));
	return file_read_fd(ret, ret_length, fd, digest->text, max);
}

static void stage_path(char ret[STORE_PATH_MAX], const BlobStage *stage)
{
	char suffix[32];

	snprintf(suffix, sizeof(suffix), "%lld.part", (long long)stage->number);
	staged_path(ret, &stage->digest, stage->number ? suffix : "part");
}

static void stage_end(Store *store, BlobStage *stage)
{
	if (!stage->number)
		table_remove(store->staged, stage->digest.text);
	*stage = (BlobStage){0};
}

fallible blob_stage(BlobStage *ret, int *ret_fd, int64_t *ret_offset, Store *store, const Digest *digest)
{
	bool is_busy = table_get(store->staged, digest->text);
	BlobStage stage = {.digest = *digest, .number = is_busy ? ++store->stages : 0};
	char path[STORE_PATH_MAX];
	struct stat status;
	autofd fd = -1;

	stage_path(path, &stage);
	TRY(fault("store.blob.stage"));
	TRY(file_open(&fd, store->dir, path, O_RDWR | O_CREAT | O_NOFOLLOW, 0600));
	if (fstat(fd, &status) < 0)
		return error_errno(errno, "could not read the size of \"%s\"", path);
	if (!is_busy)
		table_set(store->staged, digest->text, store);
	*ret = stage;
	*ret_offset = status.st_size;
	*ret_fd = take_fd(&fd);
	return NULL;
}

fallible blob_import(Store *store, const Digest *digest, int from_dir, const char *from_path)
{
	char path[STORE_PATH_MAX];

	blob_path(path, digest);
	TRY(fault("store.blob.rename"));
	if (renameat(from_dir, from_path, store->dir, path) < 0)
		return error_errno(errno, "could not rename \"%s\" to blob \"%s\"", from_path, digest->text);
	store->commits++;
	return NULL;
}

fallible blob_commit(Store *store, BlobStage *stage)
{
	char staged[STORE_PATH_MAX];

	stage_path(staged, stage);
	TRY(blob_import(store, &stage->digest, store->dir, staged));
	stage_end(store, stage);
	return NULL;
}

fallible blob_abandon(Store *store, BlobStage *stage)
{
	char path[STORE_PATH_MAX];

	if (!digest_is_set(&stage->digest))
		return NULL;
	stage_path(path, stage);
	stage_end(store, stage);
	TRY(fault("store.blob.abandon"));
	return file_unlink(store->dir, path);
}

void blob_leave(Store *store, BlobStage *stage)
{
	if (stage->number)
		error_free(blob_abandon(store, stage)); /* swept at the next start as well */
	else if (digest_is_set(&stage->digest))
		stage_end(store, stage);
}

static fallible write_synced(Store *store, const char *path, const char *data, size_t length)
{
	autofd fd = -1;

	TRY(fault("store.blob.create"));
	TRY(file_open(&fd, store->dir, path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, 0600));
	TRY(fault("store.blob.write"));
	TRY(file_write_all(fd, data, length, path));
	TRY(fault("store.blob.sync"));
	if (fsync(fd) < 0)
		return error_errno(errno, "could not sync \"%s\"", path);
	return NULL;
}

static fallible put_steps(Store *store, const char *staged, const char *path, const char *data, size_t length)
{
	TRY(write_synced(store, staged, data, length));
	TRY(fault("store.blob.rename"));
	return file_rename_durable(store->dir, staged, store->dir, path);
}

/* Written even when it is there: that one may have come by a blob_commit() that was never synced. */
fallible blob_put(Store *store, const Digest *digest, const char *data, size_t length)
{
	char staged[STORE_PATH_MAX], path[STORE_PATH_MAX];

	staged_path(staged, digest, "put");
	blob_path(path, digest);
	Error *error = put_steps(store, staged, path, data, length);
	if (error)
		unlinkat(store->dir, staged, 0);
	return error ? error_wrap(error, "could not store blob \"%s\"", digest->text) : NULL;
}

// SPDX-License-Identifier: Apache-2.0
/*
 * Whole archives, written below a directory: nothing beside it may appear or change, and what is reported must be
 * there. There is no jail here: what holds is that each path is resolved below the directory.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/files.h"
#include "base/memory.h"
#include "fetch/unpack/branch.h"
#include "fetch/unpack/extract.h"
#include "fuzz.h"

typedef struct Place {
	char path[256]; /* holds the target and a file beside it */
	int top;
	int target;
	struct stat canary;
} Place;

typedef struct Bytes {
	const uint8_t *data;
	size_t left;
} Bytes;

static Error *next_run(void *arg, const uint8_t **ret, size_t *ret_length)
{
	Bytes *bytes = arg;

	*ret = bytes->data;
	*ret_length = bytes->left;
	bytes->data += bytes->left;
	bytes->left = 0;
	return NULL;
}

static void place_make(Place *place)
{
	const char *top = getenv("TMPDIR"); /* a tmpfs is much faster */
	int file;

	umask(0);
	snprintf(place->path, sizeof place->path, "%s/kedge-fuzz-XXXXXX", top ? top : "/tmp");
	must_hold(mkdtemp(place->path) != NULL);
	place->top = open(place->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	must_hold(place->top >= 0 && mkdirat(place->top, "target", 0755) == 0);
	place->target = openat(place->top, "target", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	file = openat(place->top, "canary", O_WRONLY | O_CREAT | O_CLOEXEC, 0640);
	must_hold(place->target >= 0 && file >= 0 && write(file, "canary", 6) == 6 && close(file) == 0);
	must_hold(fstatat(place->top, "canary", &place->canary, 0) == 0);
}

static Error *count_entry(void *arg, int dir_fd, const char *name, unsigned char type)
{
	(void)dir_fd;
	(void)name;
	(void)type;
	++*(int *)arg;
	return NULL;
}

static void place_check(const Place *place)
{
	struct stat canary;
	int count = 0;

	must_hold(!dir_each(place->top, ".", count_entry, &count) && count == 2);
	must_hold(fstatat(place->top, "canary", &canary, AT_SYMLINK_NOFOLLOW) == 0);
	must_hold(canary.st_nlink == 1 && canary.st_mode == place->canary.st_mode &&
		  canary.st_uid == place->canary.st_uid);
	must_hold(canary.st_ctim.tv_sec == place->canary.st_ctim.tv_sec &&
		  canary.st_ctim.tv_nsec == place->canary.st_ctim.tv_nsec);
}

static void place_remove(Place *place)
{
	close(place->target);
	close(place->top);
	must_hold(!tree_remove(AT_FDCWD, place->path));
}

static void check_result(const Place *place, UnpackMode mode, const UnpackResult *result)
{
	for (size_t i = 0; i < result->opaque.count; i++) {
		autofd directory = open_beneath(place->target, result->opaque.items[i], OPEN_DIRECTORY_NO_LINKS);
		must_hold(directory >= 0 && mode == UNPACK_LAYER);
	}
	for (size_t i = 0; i < result->digests.count; i++) {
		autofd file = open_beneath(place->target, result->digests.items[i].key, OPEN_FILE_NO_LINKS);
		must_hold(file >= 0 && mode == UNPACK_ARCHIVE);
	}
}

static void unpack(const Place *place, UnpackMode mode, const uint8_t *data, size_t size)
{
	static const UnpackLimits limits = {.max_bytes = 1 << 20, .max_entries = 200, .max_depth = 16};
	Bytes bytes = {data, size};
	TarSource source = {next_run, &bytes};
	autoptr(TarReader) reader = tar_new(&source);
	autoptr(Extractor) extractor = extractor_new(place->target, mode, &limits);
	autoclear(UnpackResult) result = {0};
	Error *error = extractor_run(extractor, reader);

	if (!error)
		error = extractor_finish(extractor, &result);
	if (!error)
		check_result(place, mode, &result);
	error_free(error);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	autofd here = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC); /* opaque_add() goes elsewhere */

	for (UnpackMode mode = UNPACK_LAYER; mode <= UNPACK_ARCHIVE; mode++) {
		Place place;
		place_make(&place);
		unpack(&place, mode, data, size);
		place_check(&place);
		place_remove(&place);
		must_hold(fchdir(here) == 0);
	}
	return 0;
}

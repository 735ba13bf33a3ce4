// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/files.h"
#include "base/memory.h"
#include "base/strings.h"
#include "fetch/unpack/content.h"
#include "fetch/unpack/extractor.h"
#include "fetch/unpack/names.h"

static const UnpackLimits default_limits = {
	.max_bytes = UNPACK_MAX_BYTES, .max_entries = UNPACK_MAX_ENTRIES, .max_depth = UNPACK_MAX_DEPTH};

static const char *const nouns[] = {[UNPACK_LAYER] = "layer", [UNPACK_ARCHIVE] = "archive", [UNPACK_COPY] = "archive"};

static int64_t either(int64_t given, int64_t otherwise)
{
	return given > 0 ? given : otherwise;
}

Extractor *extractor_new(int root, UnpackMode mode, const UnpackLimits *limits)
{
	Extractor *extractor = mem_new(Extractor);

	extractor->root = root;
	extractor->mode = mode;
	extractor->limits = (UnpackLimits){
		.max_bytes = either(limits->max_bytes, default_limits.max_bytes),
		.max_entries = either(limits->max_entries, default_limits.max_entries),
		.max_depth = either(limits->max_depth, default_limits.max_depth),
	};
	opaque_init(&extractor->opaque, root);
	branch_init(&extractor->branch, root, &extractor->opaque);
	extractor->digests = table_new();
	extractor->dropped = dropped_new();
	extractor->lists = lists_new();
	return extractor;
}

static void free_digests(Table *digests)
{
	size_t cursor = 0;
	const char *path;
	void *digest;

	while (table_next(digests, &cursor, &path, &digest))
		free(digest);
	table_free(digests);
}

Extractor *extractor_free(Extractor *extractor)
{
	if (!extractor)
		return NULL;
	branch_leave(&extractor->branch);
	opaque_clear(&extractor->opaque);
	map_clear(&extractor->symlinks);
	free_digests(extractor->digests);
	dropped_free(extractor->dropped);
	lists_free(extractor->lists);
	free(extractor);
	return NULL;
}

void extractor_copy(Extractor *extractor, const UnpackCopy *copy)
{
	extractor->copy = copy;
	snprintf(extractor->base, sizeof extractor->base, "%s", copy->path + strspn(copy->path, "/"));
	extractor->branch.base = copy->is_root ? NULL : extractor->base; /* a base has the time of its last change */
}

/* ---- shared by layers and archives ---- */

Error *extract_below_base(const Extractor *extractor, char path[PATH_MAX])
{
	autofree char *joined = string_printf("%s/%s", extractor->base, path);

	if (strlen(joined) >= PATH_MAX)
		return error_new(ERROR_INVALID, "the name is longer than %d bytes", PATH_MAX - 1);
	strcpy(path, joined);
	return NULL;
}

Error *extract_count_bytes(Extractor *extractor, int64_t bytes)
{
	if (bytes > extractor->limits.max_bytes - extractor->bytes)
		return error_new(
			ERROR_TOO_LARGE, "unpacks to more than %lld bytes", (long long)extractor->limits.max_bytes);
	extractor->bytes += bytes;
	return NULL;
}

Error *extract_enter_parent(Extractor *extractor)
{
	size_t above = (size_t)(extractor->name - extractor->path);

	return branch_enter(&extractor->branch, extractor->path, above ? above - 1 : 0);
}

/* Docker's words. */
static fallible check_kinds(const Extractor *extractor, const TarEntry *entry, bool is_directory)
{
	char shown[NAME_SHOWN_MAX];

	if (is_directory == (entry->type == TAR_DIRECTORY))
		return NULL;
	return error_new(ERROR_INVALID, "cannot overwrite %s \"/%s\" with %s \"/%s\"",
		is_directory ? "directory" : "non-directory", name_show(shown, extractor->path),
		is_directory ? "non-directory" : "directory", extractor->base);
}

/* Removes what has the entry's name. *ret_kept: a directory that may stay. */
static fallible clear_way(Extractor *extractor, const TarEntry *entry, bool *ret_kept)
{
	int parent = extractor->branch.fd;
	autofd there = openat(parent, extractor->name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	struct stat status;

	if (there < 0 || fstat(there, &status) < 0)
		return error_errno(errno, "could not look at what is there");
	*ret_kept = S_ISDIR(status.st_mode) && entry->type == TAR_DIRECTORY;
	if (*ret_kept)
		return NULL;
	if (extractor->copy && extractor->copy->keeps_directories)
		TRY(check_kinds(extractor, entry, S_ISDIR(status.st_mode)));
	if (S_ISDIR(status.st_mode))
		return tree_remove(parent, extractor->name);
	if (unlinkat(parent, extractor->name, 0) < 0)
		return error_errno(errno, "could not replace what is there");
	dropped_add(extractor->dropped, take_fd(&there));
	return NULL;
}

Error *extract_make(Extractor *extractor, const TarEntry *entry, ExtractMake *make, int *ret)
{
	bool kept = false;
	int result = make(extractor, entry);

	if (result < 0 && errno == EEXIST) {
		TRY(clear_way(extractor, entry, &kept));
		result = kept ? 0 : make(extractor, entry);
	}
	if (result < 0)
		return content_error(errno, "could not make it");
	*ret = result;
	return NULL;
}

int make_file(Extractor *extractor, const TarEntry *entry)
{
	return openat(extractor->branch.fd, extractor->name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
		entry->mode);
}

int make_directory(Extractor *extractor, const TarEntry *entry)
{
	return mkdirat(extractor->branch.fd, extractor->name, entry->mode);
}

Error *extract_open_directory(Extractor *extractor, int *ret)
{
	int flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
	int fd = *extractor->path ? openat(extractor->branch.fd, extractor->name, flags)
				  : open_beneath(extractor->root, "", OPEN_DIRECTORY);

	if (fd < 0)
		return error_errno(errno, "could not open it");
	*ret = fd;
	return NULL;
}

/* ---- hard links ---- */

static bool is_same_file(int a_parent, const char *a, int b_parent, const char *b)
{
	struct stat one, other;

	return fstatat(a_parent, a, &one, AT_SYMLINK_NOFOLLOW) == 0 &&
	       fstatat(b_parent, b, &other, AT_SYMLINK_NOFOLLOW) == 0 && one.st_dev == other.st_dev &&
	       one.st_ino == other.st_ino;
}

static fallible link_error(int errno_value, const Extractor *extractor, const char *target)
{
	char shown[NAME_SHOWN_MAX];

	if (errno_value == ENOENT || errno_value == ENOTDIR)
		return error_new(ERROR_INVALID, "is a hard link to \"%s\", which the %s does not have before it",
			name_show(shown, target), nouns[extractor->mode]);
	return error_wrap(
		content_error(errno_value, "could not make it"), "hard link to \"%s\"", name_show(shown, target));
}

/* A name that is linked to its own file already stays as it is. */
Error *extract_link(Extractor *extractor, const TarEntry *entry, const char *target)
{
	const char *base = name_base(target);
	autofree char *above = mem_strndup(target, base == target ? 0 : (size_t)(base - target - 1));
	autofd from = open_beneath(extractor->root, above, OPEN_DIRECTORY);
	int to = extractor->branch.fd;
	bool kept;

	if (from < 0)
		return link_error(errno, extractor, target);
	if (linkat(from, base, to, extractor->name, 0) == 0)
		return NULL;
	if (errno != EEXIST)
		return link_error(errno, extractor, target);
	if (is_same_file(from, base, to, extractor->name))
		return NULL;
	TRY(clear_way(extractor, entry, &kept));
	if (linkat(from, base, to, extractor->name, 0) < 0)
		return link_error(errno, extractor, target);
	return NULL;
}

/* ---- all entries ---- */

static fallible wrap(const Extractor *extractor, Error *error, const char *path)
{
	char shown[NAME_SHOWN_MAX];

	return error_wrap(error, "%s entry \"%s\"", nouns[extractor->mode], name_show(shown, path));
}

static fallible enter(Extractor *extractor, const TarEntry *entry)
{
	TRY(name_clean(extractor->path, entry->path, extractor->limits.max_depth));
	if (*extractor->base && *extractor->path)
		TRY(extract_below_base(extractor, extractor->path));
	extractor->name = name_base(extractor->path);
	return NULL;
}

static ExtractAdd *const rules[] = {
	[UNPACK_LAYER] = layer_add, [UNPACK_ARCHIVE] = archive_add, [UNPACK_COPY] = copy_add};

static fallible add(Extractor *extractor, TarReader *reader, const TarEntry *entry)
{
	if (++extractor->entries > extractor->limits.max_entries)
		return error_new(
			ERROR_TOO_LARGE, "there are more than %lld entries", (long long)extractor->limits.max_entries);
	TRY(enter(extractor, entry));
	return rules[extractor->mode](extractor, reader, entry);
}

static fallible next(Extractor *extractor, TarReader *reader, const TarEntry **ret)
{
	Error *error = tar_next(reader, ret);

	if (!error)
		return NULL;
	if (tar_path(reader))
		return wrap(extractor, error, tar_path(reader));
	return error_wrap(error, "%s, before byte %lld", nouns[extractor->mode], (long long)tar_offset(reader));
}

Error *extractor_run(Extractor *extractor, TarReader *reader)
{
	const TarEntry *entry = NULL;

	for (;;) {
		TRY(next(extractor, reader, &entry));
		if (!entry)
			return NULL;
		Error *error = add(extractor, reader, entry);
		if (error)
			return wrap(extractor, error, entry->path);
	}
}

Error *extractor_finish(Extractor *extractor, UnpackResult *ret)
{
	if (extractor->mode == UNPACK_ARCHIVE)
		TRY(archive_finish(extractor, ret));
	branch_leave(&extractor->branch);
	TRY(lists_finish(extractor->lists, extractor->root));
	opaque_settle(&extractor->opaque);
	strings_copy(&ret->opaque, &extractor->opaque.paths);
	ret->bytes = extractor->bytes;
	ret->entries = extractor->entries;
	return NULL;
}

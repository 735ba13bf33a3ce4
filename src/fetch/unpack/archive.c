// SPDX-License-Identifier: Apache-2.0
/*
 * The rules of image archives (docker save, OCI layout): plain files and directories, owned by root, and the digest of
 * each file. Hard links are taken. Symbolic links, by which older versions of docker save share layer.tar, become hard
 * links at the end; none ever lies in the directory.
 */
#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/memory.h"
#include "base/strings.h"
#include "fetch/unpack/content.h"
#include "fetch/unpack/extractor.h"
#include "fetch/unpack/names.h"

enum { FILE_MODE = 0644, DIRECTORY_MODE = 0755 };

static fallible remember_digest(Extractor *extractor, const Digest *digest)
{
	if (!table_get(extractor->digests, extractor->path) && table_count(extractor->digests) == UNPACK_DIGESTS_MAX)
		return error_new(ERROR_TOO_LARGE, "there are more than %d files", UNPACK_DIGESTS_MAX);
	free(table_set(extractor->digests, extractor->path, mem_dup(digest, sizeof *digest)));
	return NULL;
}

static fallible add_file(Extractor *extractor, TarReader *reader, const TarEntry *entry)
{
	TarEntry plain = {.type = TAR_FILE, .mode = FILE_MODE};
	autoptr(Hash) hash = hash_new();
	Digest digest = {0};
	int fd = -1;

	if (entry->sparse)
		return error_new(ERROR_UNSUPPORTED, "sparse files have no place in an image archive");
	TRY(extract_count_bytes(extractor, entry->size));
	TRY(extract_make(extractor, &plain, make_file, &fd));
	autofd file = fd;
	TRY(content_write(file, reader, entry, CONTENT_SENT, hash));
	hash_end(hash, &digest);
	return remember_digest(extractor, &digest);
}

static fallible add_directory(Extractor *extractor, TarReader *reader, const TarEntry *entry)
{
	TarEntry plain = {.type = TAR_DIRECTORY, .mode = DIRECTORY_MODE};
	int result;

	(void)reader;
	(void)entry;
	return *extractor->path ? extract_make(extractor, &plain, make_directory, &result) : NULL;
}

static fallible link_to(Extractor *extractor, const char *target)
{
	TarEntry link = {.type = TAR_HARD_LINK};
	const Digest *digest = table_get(extractor->digests, target);

	if (!digest)
		return error_new(ERROR_INVALID, "is a link to \"%.200s\", which is not a file of the archive", target);
	TRY(extract_link(extractor, &link, target));
	return remember_digest(extractor, digest);
}

static fallible add_hard_link(Extractor *extractor, TarReader *reader, const TarEntry *entry)
{
	char target[PATH_MAX];

	(void)reader;
	TRY(name_clean(target, entry->link, extractor->limits.max_depth));
	return link_to(extractor, target);
}

/* Relative to the directory that the link is in. */
static fallible add_symlink(Extractor *extractor, TarReader *reader, const TarEntry *entry)
{
	autofree char *joined =
		string_printf("%.*s%s", (int)(extractor->name - extractor->path), extractor->path, entry->link);
	char target[PATH_MAX];

	(void)reader;
	if (*entry->link == '/')
		return error_new(ERROR_INVALID, "is a link to an absolute path");
	TRY(name_clean(target, joined, extractor->limits.max_depth));
	if (extractor->symlinks.count == UNPACK_DIGESTS_MAX)
		return error_new(ERROR_TOO_LARGE, "there are more than %d links", UNPACK_DIGESTS_MAX);
	map_set(&extractor->symlinks, extractor->path, target);
	return NULL;
}

static fallible refuse(Extractor *extractor, TarReader *reader, const TarEntry *entry)
{
	(void)extractor;
	(void)reader;
	(void)entry;
	return error_new(ERROR_UNSUPPORTED, "devices and fifos have no place in an image archive");
}

static ExtractAdd *const adders[TAR_TYPES] = {
	[TAR_FILE] = add_file,
	[TAR_DIRECTORY] = add_directory,
	[TAR_SYMLINK] = add_symlink,
	[TAR_HARD_LINK] = add_hard_link,
	[TAR_CHARACTER] = refuse,
	[TAR_BLOCK] = refuse,
	[TAR_FIFO] = refuse,
};

Error *archive_add(Extractor *extractor, TarReader *reader, const TarEntry *entry)
{
	if (!*extractor->path && entry->type != TAR_DIRECTORY)
		return error_new(ERROR_INVALID, "is the root, but not a directory");
	if (*extractor->path)
		TRY(extract_enter_parent(extractor));
	map_remove(&extractor->symlinks, extractor->path);
	return adders[entry->type](extractor, reader, entry);
}

static fallible make_link(Extractor *extractor, const StringPair *link)
{
	snprintf(extractor->path, sizeof extractor->path, "%s", link->key);
	extractor->name = name_base(extractor->path);
	TRY(extract_enter_parent(extractor));
	return link_to(extractor, link->value);
}

/* Paths whose file something else has replaced are left out. */
static void report_digests(Extractor *extractor, UnpackResult *ret)
{
	size_t cursor = 0;
	const char *path;
	void *digest;

	while (table_next(extractor->digests, &cursor, &path, &digest)) {
		struct stat status;
		autofd file = open_beneath(extractor->root, path, OPEN_FILE_NO_LINKS);
		if (file >= 0 && fstat(file, &status) == 0 && S_ISREG(status.st_mode))
			map_set(&ret->digests, path, ((Digest *)digest)->text);
	}
}

Error *archive_finish(Extractor *extractor, UnpackResult *ret)
{
	for (size_t i = 0; i < extractor->symlinks.count; i++)
		TRY_WRAP(make_link(extractor, &extractor->symlinks.items[i]), "archive entry \"%.200s\"",
			extractor->symlinks.items[i].key);
	report_digests(extractor, ret);
	return NULL;
}

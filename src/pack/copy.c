// SPDX-License-Identifier: Apache-2.0
#include "pack/copy.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/files.h"
#include "base/memory.h"
#include "base/strings.h"
#include "pack/tree.h"

enum { LINKS_MAX = 255 };

void copy_source_clear(CopySource *source)
{
	if (source->directory > 0)
		close(source->directory);
	free(source->name);
	free(source->path);
	free(source->target);
}

/* ---- paths ---- */

static void drop_last(Buffer *path)
{
	const char *slash = strrchr(buffer_text(path), '/');

	buffer_truncate(path, slash ? (size_t)(slash - path->data) : 0);
}

/* Without ".", ".." and doubled slashes; "" is the root. */
static void clean(Buffer *out, const char *path)
{
	while (*path) {
		size_t length = strcspn(path, "/");
		if (length == 2 && memcmp(path, "..", 2) == 0)
			drop_last(out);
		else if (length && !(length == 1 && *path == '.'))
			buffer_printf(out, "/%.*s", (int)length, path);
		path += length + (path[length] == '/');
	}
}

static bool is_self(const char *path)
{
	return string_equal(path, ".") || string_ends(path, "/.");
}

static bool is_followed(const char *path)
{
	return is_self(path) || string_ends(path, "/");
}

/* Docker's name of it: "." for a directory's content, "" for the root. */
static char *archive_path(const char *cleaned, const char *path)
{
	return mem_strdup(is_self(path) ? "." : *cleaned ? strrchr(cleaned, '/') + 1 : "");
}

/* ---- looking ---- */

static fallible failed(const char *path, const char *what)
{
	return error_errno(errno, "could not %s \"%.300s\"", what, path);
}

static fallible open_directory(int *ret, int root, const char *path, int flags)
{
	int fd = open_inside(root, path, O_DIRECTORY | flags);

	if (fd < 0)
		return failed(path, "open");
	*ret = fd;
	return NULL;
}

/* Where a link leads, also to where nothing is. The parts before one that is looked at are no links any more. */
static fallible resolve(char **ret, int root, const char *path)
{
	autoclear(Buffer) found = {.limit = PATH_MAX};
	autofree char *rest = mem_strdup(path);
	int links = 0;

	while (*rest) {
		char target[PATH_MAX];
		const char *part = rest + strspn(rest, "/");
		size_t length = strcspn(part, "/"), before = found.length;
		autofree char *one = mem_strndup(part, length);
		clean(&found, one);
		ssize_t link = found.length > before ? readlinkat(root, found.data + 1, target, PATH_MAX - 1) : -1;
		const char *add = "";
		if (link >= 0) {
			target[link] = '\0';
			add = target;
			buffer_truncate(&found, *target == '/' ? 0 : before);
			if (++links > LINKS_MAX)
				return error_new(ERROR_INVALID, "\"%.300s\": too many links", path);
		}
		char *next = string_printf("%s%s", add, part + length);
		free(rest);
		rest = next;
	}
	if (buffer_overflown(&found))
		return error_new(ERROR_INVALID, "\"%.300s\" leads to a path that is too long", path);
	*ret = mem_strdup(found.length ? found.data : "/");
	return NULL;
}

static fallible find_itself(CopySource *ret, int root, const char *cleaned)
{
	TRY(open_directory(&ret->directory, root, cleaned, O_RDONLY));
	return fstat(ret->directory, &ret->status) < 0 ? failed(cleaned, "look at") : NULL;
}

static fallible find_named(CopySource *ret, int root, const char *cleaned)
{
	const char *name = strrchr(cleaned, '/') + 1;
	autofree char *above = mem_strndup(cleaned, (size_t)(name - cleaned));

	TRY(open_directory(&ret->directory, root, above, O_PATH));
	ret->name = mem_strdup(name);
	if (fstatat(ret->directory, name, &ret->status, AT_SYMLINK_NOFOLLOW) < 0)
		return failed(cleaned, "find");
	return S_ISLNK(ret->status.st_mode) ? resolve(&ret->target, root, cleaned) : NULL;
}

/* What the runtime has mounted at /dev is no part of "/". */
static dev_t device_of_dev(int root)
{
	struct stat dev, above;

	if (fstatat(root, "dev", &dev, AT_SYMLINK_NOFOLLOW) < 0 || fstat(root, &above) < 0 ||
		dev.st_dev == above.st_dev)
		return 0;
	return dev.st_dev;
}

Error *copy_find(CopySource *ret, int root, const char *path)
{
	autoclear(Buffer) cleaned = {.limit = PATH_MAX};

	clean(&cleaned, path);
	if (buffer_overflown(&cleaned))
		return error_new(ERROR_INVALID, "a path is longer than %d bytes", PATH_MAX);
	const char *text = buffer_text(&cleaned);
	ret->path = archive_path(text, path);
	ret->left_out = device_of_dev(root);
	return !*text || is_followed(path) ? find_itself(ret, root, text) : find_named(ret, root, text);
}

void copy_describe(Buffer *out, const CopySource *source)
{
	const struct stat *status = &source->status;

	buffer_printf(out, "%o %lld %lld %ld %s/%s", (unsigned)status->st_mode, (long long)status->st_size,
		(long long)status->st_mtim.tv_sec, (long)status->st_mtim.tv_nsec, source->path,
		source->target ? source->target : "");
	buffer_add_char(out, '\0');
}

/* ---- packing ---- */

Error *copy_pack(TarOut *out, const CopySource *source)
{
	if (!source->name)
		return pack_branch(out, source->directory, source->path, source->left_out);
	autofd fd = openat(source->directory, source->name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd >= 0)
		return pack_branch(out, fd, source->path, source->left_out);
	if (errno != ENOTDIR && errno != ELOOP)
		return failed(source->path, "open");
	return pack_leaf(out, source->directory, source->name, source->path);
}

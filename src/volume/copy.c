// SPDX-License-Identifier: Apache-2.0
#include "volume/copy.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/files.h"
#include "base/memory.h"
#include "base/strings.h"
#include "base/table.h"
#include "base/tree.h"

#define DEFAULT_ACL "system.posix_acl_default"

enum { PIECE = 256 << 10 };

typedef struct Copy {
	int to;
	int parent;        /* the directory below `to` that was used last; -1: none */
	char *parent_path; /* of it, relative */
	Table *linked;     /* "device:inode" -> path of the first name, for files with several */
} Copy;

static fallible failed(const char *path, const char *what)
{
	Error *error = error_errno(errno, "could not %s \"%.300s\"", what, path);

	if (error_kind(error) != ERROR_UNAVAILABLE)
		return error;
	return error_hint(error, "free some space on the disk that holds the volume");
}

/* ---- attributes ---- */

static bool is_wanted(const char *name)
{
	if (string_equal(name, "security.capability") || string_equal(name, "system.posix_acl_access"))
		return true;
	return string_starts(name, "user.") && !string_starts(name, "user.overlay.");
}

static fallible copy_xattr(int from, int to, const char *name)
{
	autofree char *value = mem_alloc(XATTR_SIZE_MAX);
	ssize_t length = fgetxattr(from, name, value, XATTR_SIZE_MAX);

	if (length < 0 || fsetxattr(to, name, value, (size_t)length, 0) == 0 || errno == ENOTSUP)
		return NULL; /* gone meanwhile, or a file system without */
	return failed(name, "set extended attribute");
}

static fallible copy_xattrs(int from, int to)
{
	autofree char *names = NULL;
	ssize_t length = flistxattr(from, NULL, 0);

	if (length <= 0)
		return NULL;
	names = mem_alloc(XATTR_LIST_MAX);
	length = flistxattr(from, names, XATTR_LIST_MAX);
	for (ssize_t at = 0; at < length; at += (ssize_t)strlen(names + at) + 1)
		if (is_wanted(names + at))
			TRY(copy_xattr(from, to, names + at));
	return NULL;
}

/* What is made in a directory that has one gets it too, and a narrower mode: it comes last. */
static fallible copy_default_acl(int from, int to)
{
	return copy_xattr(from, to, DEFAULT_ACL);
}

/* Changing the owner clears the special bits and the capabilities: it comes first. */
static fallible copy_attributes(int from, int to, const char *path)
{
	struct stat status;

	if (fstat(from, &status) < 0 || fchown(to, status.st_uid, status.st_gid) < 0 ||
		fchmod(to, status.st_mode & 07777) < 0)
		return failed(path, "set owner and mode of");
	return copy_xattrs(from, to);
}

fallible copy_directory_attributes(int from, int to)
{
	TRY(copy_attributes(from, to, "."));
	return copy_default_acl(from, to);
}

fallible copy_times(int from, int to)
{
	struct stat status;

	if (fstat(from, &status) < 0)
		return failed(".", "look at");
	const struct timespec times[] = {status.st_mtim, status.st_mtim};
	return futimens(to, times) < 0 ? failed(".", "set the times of") : NULL;
}

/* Of what is not opened: links, devices. */
static fallible set_status(int dir, const char *name, const char *path, const struct stat *status)
{
	const struct timespec times[] = {status->st_mtim, status->st_mtim};

	if (fchownat(dir, name, status->st_uid, status->st_gid, AT_SYMLINK_NOFOLLOW) < 0 ||
		utimensat(dir, name, times, AT_SYMLINK_NOFOLLOW) < 0)
		return failed(path, "set the attributes of");
	return NULL;
}

/* ---- where it goes ---- */

static const char *base_of(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

/* Who has the same file system may rename in the copy and put links into it: none leads out. */
static fallible enter_copied(int *ret, const Copy *copy, const char *path)
{
	*ret = open_inside(copy->to, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
	return *ret < 0 ? failed(path, "open") : NULL;
}

static fallible enter_parent(Copy *copy, const char *path)
{
	size_t length = (size_t)(base_of(path) - path);
	autofree char *parent = length ? mem_strndup(path, length - 1) : mem_strdup(".");

	if (copy->parent >= 0 && string_equal(copy->parent_path, parent))
		return NULL;
	close_fd(&copy->parent);
	TRY(enter_copied(&copy->parent, copy, parent));
	string_replace(&copy->parent_path, parent);
	return NULL;
}

/* ---- regular files ---- */

static fallible copy_by_hand(int from, int to, int64_t at, int64_t end, const char *path)
{
	static char piece[PIECE];

	while (at < end) {
		size_t wanted = end - at < PIECE ? (size_t)(end - at) : PIECE;
		ssize_t got = pread(from, piece, wanted, at);
		if (got < 0)
			return failed(path, "read");
		if (got == 0)
			return NULL; /* it has become shorter */
		if (pwrite(to, piece, (size_t)got, at) != got)
			return failed(path, "write");
		at += got;
	}
	return NULL;
}

static fallible copy_run(int from, int to, int64_t at, int64_t end, const char *path)
{
	while (at < end) {
		loff_t in = at, out = at;
		ssize_t done = copy_file_range(from, &in, to, &out, (size_t)(end - at), 0);
		if (done < 0 && (errno == ENOSPC || errno == EDQUOT || errno == EIO))
			return failed(path, "write");
		if (done <= 0)
			return copy_by_hand(from, to, at, end, path); /* not between these two file systems */
		at += done;
	}
	return NULL;
}

/* Holes stay holes. */
static fallible copy_content(int from, int to, int64_t size, const char *path)
{
	if (ioctl(to, FICLONE, from) == 0)
		return NULL;
	if (ftruncate(to, size) < 0)
		return failed(path, "write");
	for (int64_t at = 0; at < size;) {
		int64_t start = lseek(from, at, SEEK_DATA), end;
		if (start < 0)
			return errno == ENXIO ? NULL : copy_run(from, to, at, size, path);
		end = lseek(from, start, SEEK_HOLE);
		end = end < 0 || end > size ? size : end;
		TRY(copy_run(from, to, start, end, path));
		at = end;
	}
	return NULL;
}

/* True when an earlier name of the same file was copied: *ret is that name. */
static bool is_linked_already(Copy *copy, const char **ret, const char *path, const struct stat *status)
{
	char key[64];

	if (status->st_nlink < 2)
		return false;
	snprintf(key, sizeof(key), "%llx:%llx", (unsigned long long)status->st_dev, (unsigned long long)status->st_ino);
	*ret = table_get(copy->linked, key);
	if (!*ret)
		table_set(copy->linked, key, mem_strdup(path));
	return *ret;
}

static fallible copy_file(Copy *copy, int dir, const char *name, const char *path)
{
	autofd from = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	autofd to = -1;
	struct stat status;

	if (from < 0 || fstat(from, &status) < 0)
		return failed(path, "open");
	TRY(file_open(&to, copy->parent, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600));
	TRY(copy_content(from, to, status.st_size, path));
	TRY(copy_attributes(from, to, path));
	return copy_times(from, to);
}

/* ---- everything else ---- */

static fallible copy_link(Copy *copy, int dir, const char *name, const char *path, const struct stat *status)
{
	char target[PATH_MAX];
	ssize_t length = readlinkat(dir, name, target, sizeof(target) - 1);

	if (length < 0)
		return failed(path, "read the link");
	target[length] = '\0';
	if (symlinkat(target, copy->parent, name) < 0)
		return failed(path, "make");
	return set_status(copy->parent, name, path, status);
}

static fallible copy_node(Copy *copy, const char *name, const char *path, const struct stat *status)
{
	if (mknodat(copy->parent, name, status->st_mode, status->st_rdev) < 0)
		return failed(path, "make");
	return set_status(copy->parent, name, path, status);
}

static Error *copy_entry(void *arg, int dir, const char *name, const char *path)
{
	Copy *copy = arg;
	struct stat status;
	const char *first = NULL;

	TRY(enter_parent(copy, path));
	if (fstatat(dir, name, &status, AT_SYMLINK_NOFOLLOW) < 0)
		return failed(path, "look at");
	if (S_ISSOCK(status.st_mode))
		return NULL;
	if (is_linked_already(copy, &first, path, &status))
		return linkat(copy->to, first, copy->parent, name, 0) < 0 ? failed(path, "link") : NULL;
	if (S_ISREG(status.st_mode))
		return copy_file(copy, dir, name, path);
	if (S_ISLNK(status.st_mode))
		return copy_link(copy, dir, name, path, &status);
	return copy_node(copy, name, path, &status);
}

static Error *copy_directory(void *arg, int fd, const char *path, const struct stat *status)
{
	Copy *copy = arg;
	autofd made = -1;

	(void)status;
	TRY(enter_parent(copy, path));
	if (mkdirat(copy->parent, base_of(path), 0700) < 0)
		return failed(path, "make");
	TRY(file_open(&made, copy->parent, base_of(path), O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0));
	return copy_attributes(fd, made, path);
}

/* ---- times and default access lists of directories: when nothing is made in them any more ---- */

static Error *finish_directory(void *arg, int fd, const char *path, const struct stat *status)
{
	const Copy *copy = arg;
	autofd made = -1;

	(void)status;
	TRY(enter_copied(&made, copy, path));
	TRY(copy_default_acl(fd, made));
	return copy_times(fd, made);
}

static Error *pass_over(void *arg, int dir, const char *name, const char *path)
{
	(void)arg, (void)dir, (void)name, (void)path;
	return NULL;
}

static void copy_clear(Copy *copy)
{
	size_t cursor = 0;
	void *path;

	while (table_next(copy->linked, &cursor, NULL, &path))
		free(path);
	table_free(copy->linked);
	close_fd(&copy->parent);
	free(copy->parent_path);
}
DEFINE_AUTOCLEAR(Copy, copy_clear)

fallible copy_tree(int from, int to)
{
	autoclear(Copy) copy = {.to = to, .parent = -1, .linked = table_new()};
	const TreeVisitor make = {.directory = copy_directory, .file = copy_entry, .arg = &copy};
	const TreeVisitor finish = {.directory = finish_directory, .file = pass_over, .arg = &copy};

	(void)fremovexattr(to, DEFAULT_ACL); /* it has none, as a rule */
	TRY(tree_each(from, &make));
	return tree_each(from, &finish);
}

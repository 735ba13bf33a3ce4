// SPDX-License-Identifier: Apache-2.0
#include "base/files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/cleanup.h"
#include "base/memory.h"
#include "base/strings.h"

#define TEMPORARY_PREFIX ".kedge-"
#define TEMPORARY_SUFFIX ".tmp"

enum { READ_STEP = 4096, RANDOM_NAME = 16, MODE_BITS = 07777, OPEN_INSIDE_TRIES = 64 };

/* ---- whole files ---- */

Error *file_open(int *ret_fd, int dir, const char *path, int flags, mode_t mode)
{
	int fd;

	do
		fd = openat(dir, path, flags | O_CLOEXEC | O_NOCTTY, mode);
	while (fd < 0 && errno == EINTR);
	if (fd < 0)
		return error_errno(errno, "could not open \"%s\"", path);
	*ret_fd = fd;
	return NULL;
}

Error *file_read(char **ret, size_t *ret_length, int dir, const char *path, size_t max)
{
	autofd fd = -1;

	TRY(file_open(&fd, dir, path, O_RDONLY, 0));
	return file_read_fd(ret, ret_length, fd, path, max);
}

/* How much to ask for at first: the file's size and one byte, so that its end is seen at once. */
static size_t first_step(int fd, size_t max)
{
	struct stat status;

	if (fstat(fd, &status) < 0 || status.st_size <= 0)
		return READ_STEP;
	return (size_t)status.st_size < max ? (size_t)status.st_size + 1 : max + 1;
}

Error *file_read_fd(char **ret, size_t *ret_length, int fd, const char *name, size_t max)
{
	autoclear(Buffer) text = {0};
	size_t step = first_step(fd, max);

	for (;;) {
		char *room = buffer_reserve(&text, step);
		ssize_t count = read(fd, room, step);
		if (count < 0 && errno == EINTR)
			continue;
		if (count < 0)
			return error_errno(errno, "could not read \"%s\"", name);
		if (!count)
			break;
		buffer_commit(&text, (size_t)count);
		if (text.length > max)
			return error_new(ERROR_TOO_LARGE, "\"%s\" is larger than %zu bytes", name, max);
		step = READ_STEP + text.length / 2;
	}
	if (ret_length)
		*ret_length = text.length;
	*ret = buffer_steal(&text);
	return NULL;
}

Error *file_write_all(int fd, const void *data, size_t length, const char *name)
{
	const char *at = data;

	while (length) {
		ssize_t count = write(fd, at, length);
		if (count < 0 && errno == EINTR)
			continue;
		if (count < 0)
			return error_errno(errno, "could not write \"%s\"", name);
		at += count;
		length -= (size_t)count;
	}
	return NULL;
}

Error *file_poke(int dir, const char *path, const char *text)
{
	autofd fd = -1;
	size_t length = strlen(text);

	TRY(file_open(&fd, dir, path, O_WRONLY, 0));
	ssize_t count = write(fd, text, length);
	if (count < 0)
		return error_errno(errno, "could not write \"%s\" to \"%s\"", text, path);
	if ((size_t)count != length)
		return error_new(
			ERROR_INTERNAL, "could not write \"%s\" to \"%s\": only %zd bytes went", text, path, count);
	return NULL;
}

/* ---- replacing ---- */

/* The directory part of a path, "." without one. */
static char *path_parent(const char *path)
{
	const char *slash = strrchr(path, '/');

	if (!slash)
		return mem_strdup(".");
	return slash == path ? mem_strdup("/") : mem_strndup(path, (size_t)(slash - path));
}

static char *temporary_beside(const char *path)
{
	char random[RANDOM_NAME + 1];
	const char *slash = strrchr(path, '/');

	string_random_hex(random, RANDOM_NAME);
	return string_printf(
		"%.*s" TEMPORARY_PREFIX "%s" TEMPORARY_SUFFIX, slash ? (int)(slash - path + 1) : 0, path, random);
}

static fallible write_temporary(
	int dir, const char *path, const void *data, size_t length, mode_t mode, bool is_durable)
{
	autofd fd = -1;

	TRY(file_open(&fd, dir, path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600));
	TRY(file_write_all(fd, data, length, path));
	if (fchmod(fd, mode & MODE_BITS) < 0)
		return error_errno(errno, "could not set the mode of \"%s\"", path);
	if (is_durable && fsync(fd) < 0)
		return error_errno(errno, "could not sync \"%s\"", path);
	return NULL;
}

static fallible rename_over(int from_dir, const char *from, int to_dir, const char *to)
{
	if (renameat(from_dir, from, to_dir, to) < 0)
		return error_errno(errno, "could not rename \"%s\" to \"%s\"", from, to);
	return NULL;
}

static fallible replace(int dir, const char *path, const void *data, size_t length, mode_t mode, bool is_durable)
{
	autofree char *temporary = temporary_beside(path);
	Error *error = write_temporary(dir, temporary, data, length, mode, is_durable);

	if (!error)
		error = rename_over(dir, temporary, dir, path);
	if (error)
		unlinkat(dir, temporary, 0);
	return error ? error_wrap(error, "could not replace \"%s\"", path) : NULL;
}

Error *file_replace(int dir, const char *path, const void *data, size_t length, mode_t mode)
{
	return replace(dir, path, data, length, mode, false);
}

static fallible sync_parent(int dir, const char *path)
{
	autofree char *parent = path_parent(path);

	return file_sync_dir(dir, parent);
}

Error *file_replace_durable(int dir, const char *path, const void *data, size_t length, mode_t mode)
{
	TRY(replace(dir, path, data, length, mode, true));
	return sync_parent(dir, path);
}

bool file_exists(int dir, const char *path)
{
	return !faccessat(dir, path, F_OK, AT_SYMLINK_NOFOLLOW);
}

Error *file_unlink(int dir, const char *path)
{
	if (unlinkat(dir, path, 0) < 0 && errno != ENOENT)
		return error_errno(errno, "could not remove \"%s\"", path);
	return NULL;
}

Error *file_rename_durable(int from_dir, const char *from, int to_dir, const char *to)
{
	TRY(rename_over(from_dir, from, to_dir, to));
	return sync_parent(to_dir, to);
}

Error *file_sync_dir(int dir, const char *path)
{
	autofd fd = -1;

	TRY(dir_open(&fd, dir, path));
	if (fsync(fd) < 0)
		return error_errno(errno, "could not sync \"%s\"", path);
	return NULL;
}

Error *file_sync_filesystem(int dir, const char *path)
{
	autofd fd = -1;

	TRY(file_open(&fd, dir, path, O_RDONLY, 0));
	if (syncfs(fd) < 0)
		return error_errno(errno, "could not sync the file system of \"%s\"", path);
	return NULL;
}

/* ---- directories ---- */

/* EAGAIN: something somewhere was renamed while ".." was being resolved. */
int open_inside(int root, const char *path, int flags)
{
	struct open_how how = {
		.flags = (uint64_t)(flags | O_CLOEXEC), .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS};
	long fd = -1;

	for (int i = 0; i < OPEN_INSIDE_TRIES; i++) {
		fd = syscall(SYS_openat2, root, *path ? path : ".", &how, sizeof(how));
		if (fd >= 0 || (errno != EAGAIN && errno != EINTR))
			break;
	}
	return (int)fd;
}

Error *dir_open(int *ret_fd, int dir, const char *path)
{
	return file_open(ret_fd, dir, path, O_RDONLY | O_DIRECTORY, 0);
}

Error *dir_make(int dir, const char *path, mode_t mode)
{
	struct stat status;

	if (!mkdirat(dir, path, mode))
		return NULL;
	int problem = errno;
	if (problem == EEXIST && !fstatat(dir, path, &status, 0)) {
		if (S_ISDIR(status.st_mode))
			return NULL;
		return error_new(ERROR_CONFLICT, "\"%s\" exists and is not a directory", path);
	}
	return error_errno(problem, "could not make directory \"%s\"", path);
}

Error *dir_make_all(int dir, const char *path, mode_t mode)
{
	autofree char *prefix = mem_strdup(path);

	for (char *slash = prefix; (slash = strchr(slash + 1, '/'));) {
		*slash = '\0';
		TRY(dir_make(dir, prefix, mode));
		*slash = '/';
	}
	return dir_make(dir, path, mode);
}

static void dir_close(DIR *stream)
{
	closedir(stream);
}
DEFINE_AUTOPTR(DIR, dir_close)

static fallible stream_open(DIR **ret, int fd, const char *path)
{
	DIR *stream = fdopendir(fd);

	if (!stream) {
		int problem = errno;
		close(fd);
		return error_errno(problem, "could not read directory \"%s\"", path);
	}
	*ret = stream;
	return NULL;
}

static unsigned char entry_type(int dir_fd, const struct dirent *entry)
{
	struct stat status;

	if (entry->d_type != DT_UNKNOWN || fstatat(dir_fd, entry->d_name, &status, AT_SYMLINK_NOFOLLOW) < 0)
		return entry->d_type;
	return (unsigned char)IFTODT(status.st_mode);
}

Error *dir_each(int dir, const char *path, Error *(*visit)(void *arg, int dir_fd, const char *name, unsigned char type),
	void *arg)
{
	autoptr(DIR) stream = NULL;
	int fd;

	TRY(dir_open(&fd, dir, path));
	TRY(stream_open(&stream, fd, path));
	for (;;) {
		errno = 0;
		struct dirent *entry = readdir(stream);
		if (!entry)
			return errno ? error_errno(errno, "could not read directory \"%s\"", path) : NULL;
		if (string_equal(entry->d_name, ".") || string_equal(entry->d_name, ".."))
			continue;
		TRY(visit(arg, fd, entry->d_name, entry_type(fd, entry)));
	}
}

/* As temporary_beside() names them. */
static bool is_temporary(const char *name)
{
	const char *random = name + strlen(TEMPORARY_PREFIX);

	return string_starts(name, TEMPORARY_PREFIX) && strspn(random, "0123456789abcdef") == RANDOM_NAME &&
	       string_equal(random + RANDOM_NAME, TEMPORARY_SUFFIX);
}

static Error *remove_temporary(void *arg, int dir, const char *name, unsigned char type)
{
	(void)arg;
	(void)type;
	return is_temporary(name) ? file_unlink(dir, name) : NULL;
}

Error *dir_remove_temporaries(int dir, const char *path)
{
	return dir_each(dir, path, remove_temporary, NULL);
}

static Error *move_entry(void *arg, int dir, const char *name, unsigned char type)
{
	(void)type;
	if (syscall(SYS_renameat2, dir, name, *(const int *)arg, name, RENAME_NOREPLACE) < 0 && errno != EEXIST)
		return error_errno(errno, "could not move \"%s\"", name);
	return NULL;
}

Error *dir_move_all(int dir, const char *path, int to)
{
	autofd from = -1;

	TRY(file_open(&from, dir, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0));
	TRY(dir_each(from, ".", move_entry, &to));
	if (fsync(to) < 0)
		return error_errno(errno, "could not sync what was in \"%s\"", path);
	if (unlinkat(dir, path, AT_REMOVEDIR) < 0)
		return tree_remove(dir, path);
	return NULL;
}

char *path_join(const char *a, const char *b)
{
	size_t length = strlen(a);
	bool needs_slash = length && a[length - 1] != '/';

	while (*a && *b == '/')
		b++;
	size_t rest = strlen(b) + 1;
	char *path = mem_alloc(length + needs_slash + rest);
	memcpy(path, a, length);
	if (needs_slash)
		path[length++] = '/';
	memcpy(path + length, b, rest);
	return path;
}

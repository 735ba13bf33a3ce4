// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdint.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/strings.h"
#include "fetch/unpack/branch.h"
#include "fetch/unpack/names.h"

enum { OPEN_TRIES = 64, PARENT_MODE = 0755 };

static const struct open_how hows[] = {
	[OPEN_DIRECTORY] = {.flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC,
		.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS},
	[OPEN_DIRECTORY_NO_LINKS] = {.flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC,
		.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_SYMLINKS},
	[OPEN_FILE_NO_LINKS] = {.flags = O_PATH | O_NOFOLLOW | O_CLOEXEC,
		.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_SYMLINKS},
};

/* EAGAIN: something somewhere was renamed while ".." was being resolved. */
int open_beneath(int root, const char *path, OpenBeneath how)
{
	struct open_how with = hows[how];
	long fd = -1;

	for (int i = 0; i < OPEN_TRIES; i++) {
		fd = syscall(SYS_openat2, root, *path ? path : ".", &with, sizeof with);
		if (fd >= 0 || (errno != EAGAIN && errno != EINTR))
			break;
	}
	return (int)fd;
}

bool is_whiteout(const struct stat *status)
{
	return S_ISCHR(status->st_mode) && status->st_rdev == makedev(0, 0);
}

void branch_init(Branch *branch, int root, OpaqueSet *opaque)
{
	branch->root = root;
	branch->fd = -1;
	branch->path[0] = '\0';
	branch->base = NULL;
	branch->opaque = opaque;
}

static void restore_time(int directory, const struct stat *before)
{
	const struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, before->st_mtim};

	(void)futimens(directory, times); /* a time that cannot be kept is not worth an error */
}

void branch_leave(Branch *branch)
{
	if (branch->fd < 0)
		return;
	if (!string_equal(branch->path, branch->base))
		restore_time(branch->fd, &branch->before);
	close_fd(&branch->fd);
}

/* A group-id directory hands its group and bit down; an image's missing directories are root's all the same. */
static fallible own_by_root(int parent, const char *name, const struct stat *above)
{
	if (!(above->st_mode & S_ISGID))
		return NULL;
	if (fchownat(parent, name, 0, 0, AT_SYMLINK_NOFOLLOW) < 0 || fchmodat(parent, name, PARENT_MODE, 0) < 0)
		return error_errno(errno, "could not set the owner of directory \"%s\"", name);
	return NULL;
}

/* A whiteout in the way: what is below it in lower layers stays hidden, by an opaque directory. */
static fallible replace_whiteout(Branch *branch, int parent, const char *name)
{
	struct stat status;

	if (fstatat(parent, name, &status, AT_SYMLINK_NOFOLLOW) < 0 || !is_whiteout(&status))
		return error_new(ERROR_INVALID, "\"%s\", which it is in, is not a directory", name);
	if (unlinkat(parent, name, 0) < 0 || mkdirat(parent, name, PARENT_MODE) < 0)
		return error_errno(errno, "could not make directory \"%s\"", name);
	autofd made = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (made < 0)
		return error_errno(errno, "could not open directory \"%s\"", name);
	return opaque_add(branch->opaque, made);
}

static fallible make_one(Branch *branch, int parent, const char *name)
{
	struct stat above;
	char shown[NAME_SHOWN_MAX];

	if (fstat(parent, &above) < 0)
		return error_errno(errno, "could not read a directory");
	if (mkdirat(parent, name, PARENT_MODE) < 0) {
		if (errno != EEXIST)
			return error_errno(errno, "could not make directory \"%s\"", name_show(shown, name));
		TRY(replace_whiteout(branch, parent, name));
	}
	TRY(own_by_root(parent, name, &above));
	restore_time(parent, &above);
	return NULL;
}

/* From the root down, since any part may be a link. branch->path is cut at each slash in turn. */
static fallible make_missing(Branch *branch, int *ret_fd)
{
	autofd parent = open_beneath(branch->root, "", OPEN_DIRECTORY);

	for (char *name = branch->path, *slash = name; slash && parent >= 0; name = slash + 1) {
		slash = strchr(name, '/');
		if (slash)
			*slash = '\0';
		int next = open_beneath(branch->root, branch->path, OPEN_DIRECTORY);
		Error *error = NULL;
		if (next < 0 && (errno == ENOENT || errno == ENOTDIR)) {
			error = make_one(branch, parent, name);
			next = error ? -1 : open_beneath(branch->root, branch->path, OPEN_DIRECTORY);
		}
		if (slash)
			*slash = '/';
		TRY(error);
		close_fd(&parent);
		parent = next;
		if (!slash)
			break;
	}
	if (parent < 0)
		return error_errno(errno, "could not open its directory");
	*ret_fd = take_fd(&parent);
	return NULL;
}

static bool is_at(const Branch *branch, const char *path, size_t length)
{
	return branch->fd >= 0 && strncmp(branch->path, path, length) == 0 && branch->path[length] == '\0';
}

Error *branch_enter(Branch *branch, const char *path, size_t length)
{
	int fd;

	if (is_at(branch, path, length))
		return NULL;
	branch_leave(branch);
	memcpy(branch->path, path, length);
	branch->path[length] = '\0';
	fd = open_beneath(branch->root, branch->path, OPEN_DIRECTORY);
	if (fd < 0 && errno != ENOENT && errno != ENOTDIR)
		return error_errno(errno, "could not open its directory");
	if (fd < 0)
		TRY(make_missing(branch, &fd));
	if (fstat(fd, &branch->before) < 0) {
		close(fd);
		return error_errno(errno, "could not read its directory");
	}
	branch->fd = fd;
	return NULL;
}

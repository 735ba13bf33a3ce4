// SPDX-License-Identifier: Apache-2.0
/* The container's root: what is mounted where. Inside, by the container's process before it is one. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/files.h"
#include "shim/native_steps.h"

/* Linux 5.2 and 5.12, not in every C library. Source: linux/mount.h. */
#ifndef SYS_mount_setattr
#define SYS_mount_setattr 442
#endif
enum { TREE_CLONE = 1, TREE_RECURSIVE = 0x8000, MOVE_FROM_EMPTY_PATH = 4, MOVE_TO_LINK_TARGET = 0x10 };
enum { ATTRIBUTE_READ_ONLY = 1, LINKS_MAX = 16 };

typedef struct MountAttributes {
	uint64_t set, clear, propagation, userns_fd;
} MountAttributes;

/* ---- detached trees ---- */

static fallible tree_open(int *ret_fd, int dir, const char *path, unsigned flags)
{
	int fd = (int)syscall(SYS_open_tree, dir, path, TREE_CLONE | O_CLOEXEC | flags);

	if (fd < 0)
		return error_errno(errno, "could not take \"%s\" for a mount", path);
	*ret_fd = fd;
	return NULL;
}

static fallible tree_set(int fd, bool is_read_only)
{
	MountAttributes attributes = {.set = is_read_only ? ATTRIBUTE_READ_ONLY : 0, .propagation = MS_PRIVATE};

	if (syscall(SYS_mount_setattr, fd, "", AT_EMPTY_PATH | TREE_RECURSIVE, &attributes, sizeof(attributes)) < 0)
		return error_errno(errno, "could not make a mount private");
	return NULL;
}

static fallible tree_move(int fd, const char *target)
{
	if (syscall(SYS_move_mount, fd, "", AT_FDCWD, target, MOVE_FROM_EMPTY_PATH | MOVE_TO_LINK_TARGET) < 0)
		return error_errno(errno, "could not mount on \"%s\"", target);
	return NULL;
}

Error *native_take_tree(Native *native, const char *const *fields)
{
	bool is_all = !strcmp(fields[1], "all");

	if (native->tree_count == NATIVE_TREES_MAX)
		return error_new(ERROR_TOO_LARGE, "more than %d binds", NATIVE_TREES_MAX);
	TRY(tree_open(&native->trees[native->tree_count], AT_FDCWD, fields[0], is_all ? TREE_RECURSIVE : 0));
	native->tree_count++;
	return NULL;
}

/* ---- the root itself ---- */

static fallible leave_old_root(int old)
{
	if (fchdir(old) < 0 || umount2(".", MNT_DETACH) < 0 || chdir("/") < 0)
		return error_errno(errno, "could not leave the host's root");
	return NULL;
}

Error *native_pivot(Native *native, const char *const *fields)
{
	autofd old = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);

	(void)native;
	umask(0);
	if (old < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return error_errno(errno, "could not separate mounts from the host's");
	if (chdir(fields[0]) < 0 || syscall(SYS_pivot_root, ".", ".") < 0)
		return error_errno(errno, "could not make \"%s\" the root", fields[0]);
	return leave_old_root(old);
}

/* ---- targets ---- */

/* Where a link leads that leads nowhere yet: its target is what is to be made. */
static char *follow(const char *path)
{
	char text[PATH_MAX];
	autofree char *at = string_printf("%s", path);

	for (int i = 0; i < LINKS_MAX; i++) {
		ssize_t length = readlink(at, text, sizeof(text) - 1);
		if (length < 0)
			break;
		text[length] = '\0';
		*(strrchr(at, '/') + 1) = '\0';
		char *next = *text == '/' ? string_printf("%s", text) : string_printf("%s%s", at, text);
		free(at);
		at = next;
	}
	return take(at);
}

static fallible make_directories_above(const char *path)
{
	autofree char *parent = string_printf("%s", path);

	*strrchr(parent, '/') = '\0';
	return *parent ? dir_make_all(AT_FDCWD, parent, 0755) : NULL;
}

static fallible make_file(const char *target)
{
	autofree char *path = follow(target);
	autofd fd = -1;

	TRY(make_directories_above(path));
	return file_open(&fd, AT_FDCWD, path, O_WRONLY | O_CREAT | O_NONBLOCK | O_NOCTTY, 0644);
}

static fallible make_directory(const char *target)
{
	autofree char *path = follow(target);

	return dir_make_all(AT_FDCWD, path, 0755);
}

static fallible make_target(const char *target, bool is_directory)
{
	struct stat status;

	if (stat(target, &status) == 0)
		return NULL;
	return is_directory ? make_directory(target) : make_file(target);
}

/* ---- mounts ---- */

/* What masks and rules are about must lie where they look for it: never behind an image's link. */
static fallible check_no_link(const char *target, const char *type)
{
	struct stat status;

	if (strcmp(type, "proc") && strcmp(type, "sysfs"))
		return NULL;
	if (lstat(target, &status) == 0 && S_ISLNK(status.st_mode))
		return error_new(ERROR_INVALID, "\"%s\" in the image is a link", target);
	return NULL;
}

Error *native_mount(Native *native, const char *const *fields)
{
	const char *source = fields[0], *target = fields[1], *type = fields[2], *data = fields[4];
	unsigned long flags = strtoul(fields[3], NULL, 10);

	(void)native;
	TRY(check_no_link(target, type));
	TRY(make_target(target, true));
	if (mount(source, target, type, flags, *data ? data : NULL) < 0)
		return error_errno(errno, "could not mount %s on \"%s\"", type, target);
	return NULL;
}

Error *native_place(Native *native, const char *const *fields)
{
	autofd tree = native->placed < native->tree_count ? native->trees[native->placed++] : -1;
	struct stat status;

	if (fstat(tree, &status) < 0)
		return error_new(ERROR_INVALID, "there is nothing to mount on \"%s\"", fields[0]);
	TRY(make_target(fields[0], S_ISDIR(status.st_mode)));
	TRY(tree_set(tree, false));
	TRY(tree_move(tree, fields[0]));
	if (strcmp(fields[1], "ro"))
		return NULL;
	/* This mount alone, as runtimes have it: what is mounted below keeps its own word. */
	MountAttributes attributes = {.set = ATTRIBUTE_READ_ONLY};
	if (syscall(SYS_mount_setattr, tree, "", AT_EMPTY_PATH, &attributes, sizeof(attributes)) < 0)
		return error_errno(errno, "could not make \"%s\" read-only", fields[0]);
	return NULL;
}

Error *native_remount(Native *native, const char *const *fields)
{
	unsigned long flags = MS_REMOUNT | MS_BIND | MS_RDONLY;

	(void)native;
	if (strstr(fields[1], "nosuid"))
		flags |= MS_NOSUID | MS_NODEV | MS_NOEXEC;
	if (mount(NULL, fields[0], NULL, flags, NULL) < 0)
		return error_errno(errno, "could not make \"%s\" read-only", fields[0]);
	return NULL;
}

/* ---- /dev ---- */

Error *native_device(Native *native, const char *const *fields)
{
	dev_t number = makedev((unsigned)atoi(fields[1]), (unsigned)atoi(fields[2]));

	(void)native;
	if (mknod(fields[0], S_IFCHR | 0666, number) < 0 && errno != EEXIST)
		return error_errno(errno, "could not make device \"%s\"", fields[0]);
	return NULL;
}

Error *native_link(Native *native, const char *const *fields)
{
	(void)native;
	if (symlink(fields[0], fields[1]) < 0 && errno != EEXIST)
		return error_errno(errno, "could not make link \"%s\"", fields[1]);
	return NULL;
}

/* ---- hiding ---- */

static bool is_null_device(int fd)
{
	struct stat status;

	return fstat(fd, &status) == 0 && S_ISCHR(status.st_mode) && status.st_rdev == makedev(1, 3);
}

static fallible open_null(Native *native)
{
	if (native->null >= 0)
		return NULL;
	TRY(file_open(&native->null, AT_FDCWD, "/dev/null", O_PATH | O_NOFOLLOW, 0));
	return is_null_device(native->null) ? NULL : error_new(ERROR_INVALID, "\"/dev/null\" is another file");
}

static fallible mask_file(Native *native, const char *path)
{
	autofd tree = -1;

	TRY(open_null(native));
	TRY(tree_open(&tree, native->null, "", AT_EMPTY_PATH));
	TRY(tree_set(tree, true));
	return tree_move(tree, path);
}

Error *native_mask(Native *native, const char *const *fields)
{
	struct stat status;

	if (stat(fields[0], &status) < 0)
		return errno == ENOENT || errno == ENOTDIR ? NULL
							   : error_errno(errno, "could not hide \"%s\"", fields[0]);
	if (!S_ISDIR(status.st_mode))
		return mask_file(native, fields[0]);
	if (mount("tmpfs", fields[0], "tmpfs", MS_RDONLY, "size=0k") < 0)
		return error_errno(errno, "could not hide \"%s\"", fields[0]);
	return NULL;
}

Error *native_read_only(Native *native, const char *const *fields)
{
	autofd tree = -1;
	struct stat status;

	(void)native;
	if (stat(fields[0], &status) < 0)
		return errno == ENOENT || errno == ENOTDIR
			       ? NULL
			       : error_errno(errno, "could not make \"%s\" read-only", fields[0]);
	TRY(tree_open(&tree, AT_FDCWD, fields[0], TREE_RECURSIVE));
	TRY(tree_set(tree, true));
	return tree_move(tree, fields[0]);
}

// SPDX-License-Identifier: Apache-2.0
#include "base/rootfs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/confine.h"
#include "base/files.h"
#include "base/memory.h"
#include "base/strings.h"

enum { TARGET_MODE = 0755 };

#define FD_PATH "/proc/self/fd/%d"

/* ---- text ---- */

static void add_word(Buffer *out, const char *word)
{
	buffer_add(out, word ? word : "", strlen(word ? word : "") + 1);
}

void rootfs_write(Buffer *out, const RootfsPlan *plan)
{
	add_word(out, plan->layers);
	add_word(out, plan->lower);
	add_word(out, plan->upper);
	add_word(out, plan->work);
	add_word(out, plan->read_only ? "ro" : "rw");
}

void rootfs_write_bind(Buffer *out, const char *source, const char *target, bool read_only, const char *part)
{
	add_word(out, source);
	add_word(out, target);
	add_word(out, read_only ? "ro" : "rw");
	add_word(out, part);
}

typedef struct Words {
	const char *at, *end;
} Words;

static bool next_word(const char **ret, Words *words)
{
	const char *nul = words->at < words->end ? memchr(words->at, '\0', (size_t)(words->end - words->at)) : NULL;

	if (!nul)
		return false;
	*ret = words->at;
	words->at = nul + 1;
	return true;
}

static bool next_access(bool *ret_read_only, Words *words)
{
	const char *word;

	if (!next_word(&word, words))
		return false;
	*ret_read_only = string_equal(word, "ro");
	return true;
}

/* ---- layers ---- */

static fallible mount_overlay(const char *target, Buffer *options)
{
	buffer_add_text(options, ",index=off,metacopy=off");
	if (buffer_overflown(options))
		return error_new(ERROR_INVALID, "the image has too many layers to be mounted on one another");
	if (mount("overlay", target, "overlay", 0, buffer_text(options)) < 0)
		return error_errno(errno, "could not mount the container's root file system");
	return NULL;
}

/* Over the upper directory itself, which no one else sees. Without layers below, it is the file system already. */
static fallible mount_kept(const RootfsPlan *plan)
{
	autoclear(Buffer) options = {.limit = (size_t)sysconf(_SC_PAGESIZE) - 1};

	if (string_empty(plan->lower))
		return mount(plan->upper, plan->upper, NULL, MS_BIND, NULL) < 0
			       ? error_errno(errno, "could not mount the container's root file system")
			       : NULL;
	buffer_printf(&options, "lowerdir=%s,upperdir=", plan->lower);
	buffer_add_escaped(&options, plan->upper, OVERLAY_SEPARATORS);
	buffer_add_text(&options, ",workdir=");
	buffer_add_escaped(&options, plan->work, OVERLAY_SEPARATORS);
	return mount_overlay(plan->upper, &options);
}

/*
 * The container's own directory is one layer more, below a directory in memory that takes the targets of binds: a
 * container that starts meanwhile is not in the way.
 */
static fallible mount_passing(const RootfsPlan *plan)
{
	autoclear(Buffer) options = {.limit = (size_t)sysconf(_SC_PAGESIZE) - 1};
	autofd own = -1;

	TRY(dir_open(&own, AT_FDCWD, plan->upper));
	if (mount("tmpfs", plan->upper, "tmpfs", MS_NOSUID | MS_NODEV, "mode=755,size=1m") < 0)
		return error_errno(errno, "could not mount a directory in memory");
	autofree char *upper = path_join(plan->upper, "upper");
	autofree char *work = path_join(plan->upper, "work");
	struct stat status;
	if (fstat(own, &status) < 0 || mkdir(upper, status.st_mode & 07777) < 0 || mkdir(work, 0700) < 0 ||
		chown(upper, status.st_uid, status.st_gid) < 0)
		return error_errno(errno, "could not make a directory in memory");
	buffer_printf(&options, "lowerdir=" FD_PATH, own);
	if (!string_empty(plan->lower))
		buffer_printf(&options, ":%s", plan->lower);
	buffer_add_text(&options, ",upperdir=");
	buffer_add_escaped(&options, upper, OVERLAY_SEPARATORS);
	buffer_add_text(&options, ",workdir=");
	buffer_add_escaped(&options, work, OVERLAY_SEPARATORS);
	return mount_overlay(plan->upper, &options);
}

static fallible mount_layers(int *ret_root, const RootfsPlan *plan)
{
	if (chdir(plan->layers) < 0)
		return error_errno(errno, "could not enter the layers' directory \"%s\"", plan->layers);
	if (string_empty(plan->work))
		TRY(mount_passing(plan));
	else
		TRY(mount_kept(plan));
	return dir_open(ret_root, AT_FDCWD, plan->upper);
}

/* ---- binds ---- */

static bool make_target(int parent, const char *name, bool is_directory)
{
	if (is_directory)
		return mkdirat(parent, name, TARGET_MODE) == 0;
	return mknodat(parent, name, S_IFREG | TARGET_MODE, 0) == 0;
}

/* The target, made with its parents where it is missing. -1: cannot be had, as at a container's start. */
static int open_target(int root, const char *target, bool is_directory)
{
	autofree char *path = mem_strdup(target);
	int fd = open_inside(root, target, O_PATH);

	for (char *at = path; fd < 0 && *at;) {
		autofd parent = -1;
		at += strspn(at, "/");
		char *end = at + strcspn(at, "/"), after = *end;
		bool is_last = !end[strspn(end, "/")];
		if (!*at)
			break;
		char before = *at;
		*at = '\0';
		parent = open_inside(root, path, O_PATH);
		*at = before;
		*end = '\0';
		int found = open_inside(root, path, O_PATH);
		if (found < 0 && (parent < 0 || !make_target(parent, at, is_directory || !is_last)))
			return -1;
		close_fd(&found);
		*end = after;
		at = end;
		if (is_last)
			fd = open_inside(root, target, O_PATH);
	}
	return fd;
}

static fallible bind_tree(int root, int tree, const char *target, bool read_only)
{
	struct stat status;
	char path[64];

	if (fstat(tree, &status) < 0)
		return error_errno(errno, "could not look at a bind's source");
	autofd place = open_target(root, target, S_ISDIR(status.st_mode));
	if (place < 0)
		return NULL;
	if (syscall(SYS_move_mount, tree, "", place, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) < 0)
		return error_errno(errno, "could not bind \"%s\"", target);
	snprintf(path, sizeof(path), FD_PATH, tree);
	if (read_only && mount(NULL, path, NULL, MS_REMOUNT | MS_BIND | MS_RDONLY, NULL) < 0)
		return error_errno(errno, "could not bind \"%s\" read-only", target);
	return NULL;
}

/* -1: it is not there. */
static int open_source(const char *source, const char *part)
{
	const unsigned flags = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE;

	if (!*part)
		return (int)syscall(SYS_open_tree, AT_FDCWD, source, flags);
	autofd directory = open(source, O_PATH | O_DIRECTORY | O_CLOEXEC);
	autofd found = directory < 0 ? -1 : open_inside(directory, part, O_PATH);
	return found < 0 ? -1 : (int)syscall(SYS_open_tree, found, "", flags | AT_EMPTY_PATH);
}

static fallible mount_binds(int root, Words *words)
{
	const char *source, *target, *part;
	bool read_only;

	while (next_word(&source, words) && next_word(&target, words) && next_access(&read_only, words) &&
		next_word(&part, words)) {
		autofd tree = open_source(source, part);
		if (tree >= 0)
			TRY(bind_tree(root, tree, target, read_only));
	}
	return NULL;
}

static fallible make_read_only(int root)
{
	char path[64];

	snprintf(path, sizeof(path), FD_PATH, root);
	if (mount(NULL, path, NULL, MS_REMOUNT | MS_BIND | MS_RDONLY, NULL) < 0)
		return error_errno(errno, "could not make the root file system read-only");
	return NULL;
}

Error *rootfs_mount(int *ret_root, const char *text, size_t length)
{
	Words words = {text, text + length};
	RootfsPlan plan = {0};
	int root;

	if (!next_word(&plan.layers, &words) || !next_word(&plan.lower, &words) || !next_word(&plan.upper, &words) ||
		!next_word(&plan.work, &words) || !next_access(&plan.read_only, &words))
		return error_new(ERROR_INVALID, "the description of a root file system is cut");
	TRY(confine_mounts());
	TRY(mount_layers(&root, &plan));
	autofd fd = root;
	TRY(mount_binds(fd, &words));
	if (plan.read_only)
		TRY(make_read_only(fd));
	*ret_root = take_fd(&fd);
	return NULL;
}

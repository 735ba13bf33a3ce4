// SPDX-License-Identifier: Apache-2.0
#include "shim/mount.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/confine.h"
#include "base/files.h"
#include "base/memory.h"

/* Linux 5.2, not in every C library. Source: linux/mount.h. */
enum { TREE_CLONE = 1, FROM_EMPTY_PATH = 4 };

/* An image without layers still needs a lower directory. */
static fallible add_lower(Buffer *out, const ShimSettings *settings)
{
	buffer_add_text(out, "lowerdir=");
	if (!string_empty(settings->lower)) {
		buffer_add_text(out, settings->lower);
		return NULL;
	}
	autofree char *empty = path_join(settings->bundle, "empty");
	TRY(dir_make(AT_FDCWD, empty, 0755));
	buffer_add_escaped(out, empty, OVERLAY_SEPARATORS);
	return NULL;
}

static fallible overlay_options(Buffer *out, const ShimSettings *settings)
{
	TRY(add_lower(out, settings));
	buffer_add_text(out, ",upperdir=");
	buffer_add_escaped(out, settings->upper, OVERLAY_SEPARATORS);
	buffer_add_text(out, ",workdir=");
	buffer_add_escaped(out, settings->work, OVERLAY_SEPARATORS);
	buffer_add_text(out, ",index=off,metacopy=off");
	if (settings->is_volatile)
		buffer_add_text(out, ",volatile");
	if (buffer_overflown(out))
		return error_new(ERROR_INVALID, "the image has too many layers to be mounted on one another");
	return NULL;
}

/* overlay refuses what was mounted volatile before, since a power cut may have torn it. Such a container does not
 * outlive one. */
static void forget_volatile(const ShimSettings *settings)
{
	autofree char *mark = path_join(settings->work, "work/incompat/volatile");

	error_free(tree_remove(AT_FDCWD, mark)); /* none at the first start; mount(2) says what stays */
}

/* The layers' names are relative to their directory: mount(2) takes one page of options, and 500 layers must fit. */
static fallible mount_overlay(const ShimSettings *settings)
{
	autoclear(Buffer) options = {.limit = (size_t)sysconf(_SC_PAGESIZE) - 1};
	autofree char *root = path_join(settings->bundle, "rootfs");

	TRY(dir_make(AT_FDCWD, root, 0755));
	TRY(overlay_options(&options, settings));
	if (chdir(settings->layers) < 0)
		return error_errno(errno, "could not enter the layers' directory \"%s\"", settings->layers);
	if (settings->is_volatile)
		forget_volatile(settings);
	if (mount("overlay", root, "overlay", 0, buffer_text(&options)) < 0)
		return error_errno(errno, "could not mount the container's root file system");
	return NULL;
}

/* ---- trees of mounts that lie nowhere ---- */

fallible mount_take(int *ret_tree, int dir, const char *path, unsigned flags)
{
	int tree = (int)syscall(SYS_open_tree, dir, path, TREE_CLONE | O_CLOEXEC | flags);

	if (tree < 0)
		return error_errno(errno, "could not take \"%s\" for a mount", path);
	*ret_tree = tree;
	return NULL;
}

fallible mount_take_from(int *ret_tree, int namespace, const char *path, unsigned flags)
{
	autofd own = open("/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC);
	int tree = -1;

	if (own < 0 || setns(namespace, CLONE_NEWNS) < 0)
		return error_errno(errno, "could not enter another mount namespace");
	Error *error = mount_take(&tree, AT_FDCWD, path, flags);
	autofd taken = tree;
	if (setns(own, CLONE_NEWNS) < 0) {
		error_free(error); /* this one is worse */
		return error_errno(errno, "could not come back from another mount namespace");
	}
	TRY(error);
	*ret_tree = take_fd(&taken);
	return NULL;
}

fallible mount_place(int tree, const char *target)
{
	if (syscall(SYS_move_mount, tree, "", AT_FDCWD, target, FROM_EMPTY_PATH) < 0)
		return error_errno(errno, "could not mount on \"%s\"", target);
	return NULL;
}

/* ---- the container's root ---- */

/* POSIX shared memory goes with the IPC namespace that was joined. */
static fallible mount_shm(const ShimSettings *settings)
{
	autofree char *target = path_join(settings->bundle, "shm");
	autofd tree = -1;

	if (!settings->shm_pid)
		return NULL;
	autofree char *name = string_printf("/proc/%lld/ns/mnt", (long long)settings->shm_pid);
	autofd other = -1;
	TRY(dir_make(AT_FDCWD, target, 0755));
	TRY(file_open(&other, AT_FDCWD, name, O_RDONLY, 0));
	TRY_WRAP(mount_take_from(&tree, other, "/dev/shm", 0), "shared memory of process %lld",
		(long long)settings->shm_pid);
	return mount_place(tree, target);
}

Error *mount_root(const ShimSettings *settings)
{
	TRY(confine_mounts());
	TRY(mount_shm(settings));
	TRY(mount_overlay(settings));
	if (chdir(settings->bundle) < 0)
		return error_errno(errno, "could not enter the bundle \"%s\"", settings->bundle);
	return NULL;
}

void unmount_root(void)
{
	if (umount2("rootfs", UMOUNT_NOFOLLOW) < 0 && errno == EBUSY)
		umount2("rootfs", UMOUNT_NOFOLLOW | MNT_DETACH);
}

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

/* A mount can be had from another namespace only by going there for it. */
static fallible take_mount(int *ret_fd, int64_t pid, const char *path)
{
	autofree char *name = string_printf("/proc/%lld/ns/mnt", (long long)pid);
	autofd own = open("/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC);
	autofd other = open(name, O_RDONLY | O_CLOEXEC);

	if (own < 0 || other < 0 || setns(other, CLONE_NEWNS) < 0)
		return error_errno(errno, "could not enter the mount namespace of process %lld", (long long)pid);
	autofd tree = (int)syscall(SYS_open_tree, AT_FDCWD, path, TREE_CLONE | O_CLOEXEC);
	int problem = errno;
	if (setns(own, CLONE_NEWNS) < 0)
		return error_errno(
			errno, "could not come back from the mount namespace of process %lld", (long long)pid);
	if (tree < 0)
		return error_errno(problem, "could not share \"%s\" of process %lld", path, (long long)pid);
	*ret_fd = take_fd(&tree);
	return NULL;
}

/* POSIX shared memory goes with the IPC namespace that was joined. */
static fallible mount_shm(const ShimSettings *settings)
{
	autofree char *target = path_join(settings->bundle, "shm");
	autofd tree = -1;

	if (!settings->shm_pid)
		return NULL;
	TRY(dir_make(AT_FDCWD, target, 0755));
	TRY(take_mount(&tree, settings->shm_pid, "/dev/shm"));
	if (syscall(SYS_move_mount, tree, "", AT_FDCWD, target, FROM_EMPTY_PATH) < 0)
		return error_errno(
			errno, "could not mount the shared memory of process %lld", (long long)settings->shm_pid);
	return NULL;
}

/* A mount's target is of its source's kind. */
static fallible make_target(const char *target, const char *source)
{
	struct stat status;
	autofd fd = -1;

	if (stat(source, &status) < 0)
		return error_errno(errno, "bind source \"%s\"", source);
	if (S_ISDIR(status.st_mode))
		return dir_make(AT_FDCWD, target, 0755);
	return file_open(&fd, AT_FDCWD, target, O_WRONLY | O_CREAT, 0644);
}

static fallible bind_flat(const char *directory, const char *word)
{
	const char *colon = strchr(word, ':');
	autofree char *number = colon ? mem_strndup(word, (size_t)(colon - word)) : NULL;
	autofree char *target = colon ? path_join(directory, number) : NULL;

	if (!colon || strchr(number, '/'))
		return error_new(ERROR_INVALID, "--flat-bind \"%s\" is not of the form N:SOURCE", word);
	TRY(make_target(target, colon + 1));
	if (mount(colon + 1, target, NULL, MS_BIND, NULL) < 0)
		return error_errno(errno, "could not bind \"%s\"", colon + 1);
	return NULL;
}

Error *mount_flat_binds(const ShimSettings *settings)
{
	autofree char *directory = path_join(settings->bundle, "flat");

	if (settings->flat_binds.count)
		TRY(dir_make(AT_FDCWD, directory, 0755));
	for (size_t i = 0; i < settings->flat_binds.count; i++)
		TRY(bind_flat(directory, settings->flat_binds.items[i]));
	return NULL;
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

// SPDX-License-Identifier: Apache-2.0
#include "shim/mount.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/files.h"

/* What overlay takes for separators in its options. */
static void add_escaped(Buffer *out, const char *path)
{
	for (; *path; path++) {
		if (*path == '\\' || *path == ',' || *path == ':')
			buffer_add_char(out, '\\');
		buffer_add_char(out, *path);
	}
}

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
	add_escaped(out, empty);
	return NULL;
}

static fallible overlay_options(Buffer *out, const ShimSettings *settings)
{
	TRY(add_lower(out, settings));
	buffer_add_text(out, ",upperdir=");
	add_escaped(out, settings->upper);
	buffer_add_text(out, ",workdir=");
	add_escaped(out, settings->work);
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

Error *mount_root(const ShimSettings *settings)
{
	if (unshare(CLONE_NEWNS) < 0)
		return error_errno(errno, "could not make a mount namespace");
	if (mount(NULL, "/", NULL, MS_SLAVE | MS_REC, NULL) < 0)
		return error_errno(errno, "could not separate mounts from the host's");
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

// SPDX-License-Identifier: Apache-2.0
#include "base/confine.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <unistd.h>

/* pivot_root(2) where it can: an initramfs, being the root of all mounts, cannot be pivoted away from. */
static fallible change_root(int root)
{
	if (syscall(SYS_move_mount, root, "", AT_FDCWD, "/", MOVE_MOUNT_F_EMPTY_PATH) < 0)
		return error_errno(errno, "could not mount the new root");
	if (fchdir(root) < 0)
		return error_errno(errno, "could not enter the new root");
	if (syscall(SYS_pivot_root, ".", ".") == 0)
		return umount2(".", MNT_DETACH) < 0 ? error_errno(errno, "could not detach the old root") : NULL;
	if (errno != EINVAL || chroot(".") < 0)
		return error_errno(errno, "could not change the root");
	return NULL;
}

fallible confine_root(int root, unsigned long mount_flags)
{
	TRY(change_root(root));
	if (chdir("/") < 0)
		return error_errno(errno, "could not enter the new root");
	if (mount(NULL, "/", NULL, MS_REMOUNT | MS_BIND | mount_flags, NULL) < 0)
		return error_errno(errno, "could not restrict the new root");
	return NULL;
}

rlim_t confine_open_files(rlim_t most)
{
	struct rlimit now = {0};

	return getrlimit(RLIMIT_NOFILE, &now) < 0 || now.rlim_max > most ? most : now.rlim_max;
}

fallible confine_limits(const ConfineLimit *limits, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		struct rlimit both = {limits[i].value, limits[i].value};
		if (setrlimit(limits[i].resource, &both) < 0)
			return error_errno(errno, "could not set a resource limit");
	}
	return NULL;
}

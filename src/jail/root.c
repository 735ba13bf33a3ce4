// SPDX-License-Identifier: Apache-2.0
#include "jail/root.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"

fallible jail_root_make(int *ret_fd)
{
	autofd context = syscall(SYS_fsopen, "tmpfs", FSOPEN_CLOEXEC);

	if (context < 0 || syscall(SYS_fsconfig, context, FSCONFIG_SET_STRING, "mode", "0755", 0) < 0 ||
		syscall(SYS_fsconfig, context, FSCONFIG_SET_STRING, "size", "4m", 0) < 0 ||
		syscall(SYS_fsconfig, context, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
		return error_errno(errno, "could not make a root file system");
	autofd root = syscall(
		SYS_fsmount, context, FSMOUNT_CLOEXEC, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC);
	if (root < 0)
		return error_errno(errno, "could not make a root mount");
	*ret_fd = take_fd(&root);
	return NULL;
}

fallible jail_root_of(int *ret_fd, int directory)
{
	int tree = (int)syscall(SYS_open_tree, directory, "", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH);

	if (tree < 0)
		return error_errno(errno, "could not make a directory a mount");
	*ret_fd = tree;
	return NULL;
}

// SPDX-License-Identifier: Apache-2.0
#include "fetch/unpack/jail.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/confine.h"
#include "base/files.h"
#include "base/memory.h"
#include "base/rootfs.h"
#include "fetch/unpack/jail_filter.h"
#include "jail/root.h"

enum { OPEN_FILES_MAX = 128 };

/* ---- capabilities and limits ---- */

#define BIT(capability) (UINT64_C(1) << (capability))

static const uint64_t capabilities_kept =
	BIT(CAP_CHOWN) | BIT(CAP_DAC_OVERRIDE) | BIT(CAP_FOWNER) | BIT(CAP_FSETID) | BIT(CAP_MKNOD) | BIT(CAP_SETFCAP);

static fallible set_limits(int64_t max_file_bytes)
{
	const ConfineLimit limits[] = {
		{RLIMIT_CORE, 0},
		{RLIMIT_NOFILE, OPEN_FILES_MAX},
		{RLIMIT_FSIZE, (rlim_t)max_file_bytes},
	};

	TRY(confine_limits(limits, COUNT(limits)));
	signal(SIGXFSZ, SIG_IGN); /* the write fails with EFBIG instead */
	return NULL;
}

/* What open_tree(2) gives is good for paths alone, not for syncfs(2). */
static fallible open_root(int *ret)
{
	int root = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (root < 0)
		return error_errno(errno, "could not open the new root");
	*ret = root;
	return NULL;
}

static fallible give_up_rights(int64_t max_file_bytes)
{
	TRY(set_limits(max_file_bytes));
	TRY(confine_bounding(capabilities_kept));
	TRY(confine_capabilities(capabilities_kept));
	return jail_filter_load();
}

Error *jail_enter(int *ret_root, int take_directory, int64_t max_file_bytes)
{
	autofd directory = take_directory, tree = -1;

	umask(0);
	TRY(jail_root_of(&tree, directory));
	close_fd(&directory);
	TRY(confine_namespaces(CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS));
	TRY(confine_root(tree, MS_NOSUID | MS_NODEV | MS_NOEXEC));
	TRY(give_up_rights(max_file_bytes));
	return open_root(ret_root);
}

/* ---- a container's root ---- */

static fallible mount_described(int *root)
{
	autofree char *text = NULL;
	size_t length;
	int mounted;

	TRY(file_read_fd(&text, &length, *root, "description", ROOTFS_MAX));
	TRY(rootfs_mount(&mounted, text, length));
	close_fd(root);
	*root = mounted;
	return NULL;
}

/* What is read-only says so before anything is written; the kernel would say it later. */
static fallible check_place(int root, const char *path)
{
	autofd place = open_inside(root, path, O_PATH);
	struct stat at, above;
	struct statvfs mount;

	if (place < 0 || fstat(place, &at) < 0 || fstat(root, &above) < 0)
		return error_errno(errno, "could not find \"%.300s\"", path);
	if (!S_ISDIR(at.st_mode))
		return error_new(ERROR_INVALID, "extraction point is not a directory");
	if (fstatvfs(place, &mount) < 0)
		return error_errno(errno, "could not look at \"%.300s\"", path);
	if (mount.f_flag & ST_RDONLY)
		return error_new(ERROR_FORBIDDEN, at.st_dev == above.st_dev ? "container rootfs is marked read-only"
									    : "mounted volume is marked read-only");
	return NULL;
}

/* Another mount namespace's root is entered by chroot(2), which is no way out again: the right to it is given up. */
Error *jail_enter_container(int *ret_root, int take_root, bool is_described, const char *path, int64_t max_file_bytes)
{
	autofd root = take_root;

	umask(0);
	TRY(confine_namespaces(CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS));
	if (is_described)
		TRY(mount_described(&root));
	TRY(check_place(root, path));
	if (fchdir(root) < 0 || chroot(".") < 0)
		return error_errno(errno, "could not make the container's root the root directory");
	TRY(give_up_rights(max_file_bytes));
	return open_root(ret_root);
}

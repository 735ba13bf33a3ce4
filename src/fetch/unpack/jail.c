// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "fetch/unpack/jail.h"
#include "fetch/unpack/jail_filter.h"

enum { OPEN_FILES_MAX = 128 };

#ifdef KEDGE_SANITIZED
/* Finding leaks takes a /proc, which a jail has not. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
	return "detect_leaks=0";
}
#endif

/* ---- namespaces and root ---- */

/* The directory as a mount of its own, which has no place yet. Before the mount namespace is left: a mount of another
 * one cannot be copied. */
static fallible copy_mount(int *ret, int directory)
{
	int tree = (int)syscall(SYS_open_tree, directory, "", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH);

	if (tree < 0)
		return error_errno(errno, "could not make the target directory a mount");
	*ret = tree;
	return NULL;
}

static fallible leave_namespaces(void)
{
	if (unshare(CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS) < 0)
		return error_errno(errno, "could not make new namespaces");
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return error_errno(errno, "could not make mounts private");
	return NULL;
}

/* pivot_root(2) where it can: an initramfs, being the root of all mounts, cannot be pivoted away from. */
static fallible change_root(int tree)
{
	if (syscall(SYS_move_mount, tree, "", AT_FDCWD, "/", MOVE_MOUNT_F_EMPTY_PATH) < 0)
		return error_errno(errno, "could not mount the target directory");
	if (fchdir(tree) < 0)
		return error_errno(errno, "could not enter the target directory");
	if (syscall(SYS_pivot_root, ".", ".") == 0)
		return umount2(".", MNT_DETACH) < 0 ? error_errno(errno, "could not detach the old root") : NULL;
	if (errno != EINVAL)
		return error_errno(errno, "could not change the root");
	return chroot(".") < 0 ? error_errno(errno, "could not change the root") : NULL;
}

static fallible restrict_mount(void)
{
	if (chdir("/") < 0)
		return error_errno(errno, "could not enter the new root");
	if (mount(NULL, "/", NULL, MS_REMOUNT | MS_BIND | MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) < 0)
		return error_errno(errno, "could not restrict the new root");
	return NULL;
}

/* ---- capabilities and limits ---- */

static const int capabilities_kept[] = {CAP_CHOWN, CAP_DAC_OVERRIDE, CAP_FOWNER, CAP_FSETID, CAP_MKNOD, CAP_SETFCAP};

static uint64_t kept_mask(void)
{
	uint64_t mask = 0;

	for (size_t i = 0; i < sizeof capabilities_kept / sizeof *capabilities_kept; i++)
		mask |= UINT64_C(1) << capabilities_kept[i];
	return mask;
}

static fallible drop_bounding(uint64_t kept)
{
	for (int i = 0; prctl(PR_CAPBSET_READ, i, 0, 0, 0) >= 0; i++)
		if (!(kept >> i & 1) && prctl(PR_CAPBSET_DROP, i, 0, 0, 0) < 0)
			return error_errno(errno, "could not drop capability %d", i);
	return NULL;
}

static fallible drop_capabilities(void)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	uint64_t kept = kept_mask();
	struct __user_cap_data_struct sets[2] = {
		{.effective = (uint32_t)kept, .permitted = (uint32_t)kept},
		{.effective = (uint32_t)(kept >> 32), .permitted = (uint32_t)(kept >> 32)},
	};

	TRY(drop_bounding(kept));
	(void)prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0); /* empty anyway once inheritable is */
	if (syscall(SYS_capset, &header, sets) < 0)
		return error_errno(errno, "could not drop capabilities");
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return error_errno(errno, "could not give up new privileges");
	return NULL;
}

static fallible set_limits(int64_t max_file_bytes)
{
	const struct {
		int resource;
		rlim_t value;
	} limits[] = {
		{RLIMIT_CORE, 0},
		{RLIMIT_NOFILE, OPEN_FILES_MAX},
		{RLIMIT_FSIZE, (rlim_t)max_file_bytes},
	};

	for (size_t i = 0; i < sizeof limits / sizeof *limits; i++) {
		struct rlimit both = {limits[i].value, limits[i].value};
		if (setrlimit(limits[i].resource, &both) < 0)
			return error_errno(errno, "could not set a resource limit");
	}
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

Error *jail_enter(int *ret_root, int take_directory, int64_t max_file_bytes)
{
	autofd directory = take_directory, tree = -1;

	umask(0);
	TRY(copy_mount(&tree, directory));
	close_fd(&directory);
	TRY(leave_namespaces());
	TRY(change_root(tree));
	TRY(restrict_mount());
	TRY(set_limits(max_file_bytes));
	TRY(drop_capabilities());
#ifndef KEDGE_SANITIZED /* whose runtime calls what it likes */
	TRY(jail_filter_load());
#endif
	return open_root(ret_root);
}

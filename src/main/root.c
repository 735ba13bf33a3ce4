// SPDX-License-Identifier: Apache-2.0
#include "main/root.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"

/* Linux 5.8, not in every C library. Source: linux/stat.h. */
#ifndef STATX_MNT_ID
#define STATX_MNT_ID 0x1000U
#endif

static bool is_same(const struct statx *a, const struct statx *b)
{
	return a->stx_ino == b->stx_ino && a->stx_dev_major == b->stx_dev_major &&
	       a->stx_dev_minor == b->stx_dev_minor && a->stx_mnt_id == b->stx_mnt_id;
}

static fallible look_at_root(struct statx *ret)
{
	memset(ret, 0, sizeof(*ret));
	if (statx(AT_FDCWD, "/", 0, STATX_INO | STATX_MNT_ID, ret) < 0)
		return error_errno(errno, "could not look at the root directory");
	return NULL;
}

fallible root_check(void)
{
	autofd directory = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	autofd own = open("/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC);
	struct statx before, after;

	TRY(look_at_root(&before));
	if (directory < 0 || own < 0 || setns(own, CLONE_NEWNS) < 0)
		return NULL; /* it cannot be told */
	TRY(look_at_root(&after));
	if (!is_same(&before, &after))
		return error_hint(error_new(ERROR_UNSUPPORTED, "kedged runs in a chroot, which containers could leave"),
			"give it a mount namespace with a root of its own: pivot_root(2), RootDirectory= of systemd");
	if (fchdir(directory) < 0)
		return error_errno(errno, "could not go back to the working directory");
	return NULL;
}

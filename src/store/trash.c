// SPDX-License-Identifier: Apache-2.0
/*
 * The trash: a rename makes a tree invisible at once, sweeping removes it in steps that a loop can afford. A directory
 * within a trashed tree is moved up into trash/ itself, so that any depth is removed without recursion and a step never
 * starts over.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include "base/fault.h"
#include "base/files.h"
#include "base/log.h"
#include "store/internal.h"

enum { SWEEP_STEP = 32 }; /* removals: about a millisecond */

typedef struct Sweep {
	Store *store;
	int trash;
	int left; /* removals that this call may still do */
	bool has_more;
} Sweep;

/* So that the walk over a directory ends at the step's last removal; the caller drops it. */
static fallible sweep_enough(void)
{
	return error_new(ERROR_CANCELLED, "enough for one step");
}

static void trash_name(Store *store, char ret[STORE_PATH_MAX])
{
	snprintf(ret, STORE_PATH_MAX, "%s-%llu", store->trash_prefix, (unsigned long long)store->trashed++);
}

static bool rename_into_trash(Store *store, const char *path)
{
	char name[STORE_PATH_MAX], target[STORE_PATH_MAX + 8];

	trash_name(store, name);
	snprintf(target, sizeof(target), "trash/%s", name);
	return renameat(store->dir, path, store->dir, target) == 0 || errno == ENOENT;
}

fallible store_discard(Store *store, const char *path)
{
	TRY(fault("store.discard"));
	if (rename_into_trash(store, path))
		return NULL;
	if ((errno == ENOSPC || errno == EDQUOT) && reserve_give(store) && rename_into_trash(store, path))
		return NULL;
	return error_errno(errno, "could not move \"%s\" into the trash", path);
}

/* A container that may do so marks files immutable: nothing but the mark keeps root from removing them. Device nodes
 * are not opened. */
static void clear_marks(int dir, const char *name)
{
	struct stat status;
	int flags = 0;

	if (fstatat(dir, name, &status, AT_SYMLINK_NOFOLLOW) < 0 ||
		(!S_ISREG(status.st_mode) && !S_ISDIR(status.st_mode)))
		return;
	autofd fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0 || ioctl(fd, FS_IOC_GETFLAGS, &flags) < 0 || !(flags & (FS_IMMUTABLE_FL | FS_APPEND_FL)))
		return;
	flags &= ~(FS_IMMUTABLE_FL | FS_APPEND_FL);
	if (ioctl(fd, FS_IOC_SETFLAGS, &flags) < 0)
		log_debug("could not clear the marks of \"%s\" in the trash", name);
}

static bool try_remove(Sweep *sweep, int dir, const char *name)
{
	char moved[STORE_PATH_MAX];

	if (unlinkat(dir, name, 0) == 0 || unlinkat(dir, name, AT_REMOVEDIR) == 0)
		return true;
	if ((errno != ENOTEMPTY && errno != EEXIST) || dir == sweep->trash)
		return false;
	trash_name(sweep->store, moved);
	sweep->has_more = true;
	return renameat(dir, name, sweep->trash, moved) == 0;
}

static fallible remove_entry(Sweep *sweep, int dir, const char *name)
{
	if (!try_remove(sweep, dir, name)) {
		clear_marks(dir, ".");
		clear_marks(dir, name);
		if (!try_remove(sweep, dir, name))
			return error_errno(errno, "could not remove \"%s\"", name);
	}
	return --sweep->left > 0 ? NULL : sweep_enough();
}

static Error *sweep_child(void *arg, int dir, const char *name, unsigned char type)
{
	(void)type;
	return remove_entry(arg, dir, name);
}

static fallible remove_whole(Sweep *sweep, const char *name, unsigned char type)
{
	TRY(fault("store.sweep"));
	if (type == DT_DIR)
		TRY(dir_each(sweep->trash, name, sweep_child, sweep));
	return remove_entry(sweep, sweep->trash, name);
}

/* What cannot be removed now, a mount point say, is left for another time. */
static Error *sweep_entry(void *arg, int dir, const char *name, unsigned char type)
{
	Error *error = remove_whole(arg, name, type);

	(void)dir;
	if (!error || error_kind(error) == ERROR_CANCELLED)
		return error;
	error_log(error, "could not empty \"%s\" in the trash", name);
	return NULL;
}

fallible store_sweep(Store *store, bool *ret_more)
{
	autofd trash = -1;
	Sweep sweep = {.store = store, .left = SWEEP_STEP};

	TRY(dir_open(&trash, store->dir, "trash"));
	sweep.trash = trash;
	Error *error = dir_each(store->dir, "trash", sweep_entry, &sweep);
	reserve_tend(store);
	if (error && error_kind(error) != ERROR_CANCELLED)
		return error;
	*ret_more = error || sweep.has_more;
	error_free(error); /* the step's end, not a failure */
	return NULL;
}

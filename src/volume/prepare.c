// SPDX-License-Identifier: Apache-2.0
#include "volume/prepare.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/confine.h"
#include "base/fault.h"
#include "base/files.h"
#include "base/memory.h"
#include "base/strings.h"
#include "pack/view.h"
#include "volume/copy.h"
#include "volume/mount.h"

#define BIT(capability) (UINT64_C(1) << (capability))

static const uint64_t rights_kept = BIT(CAP_CHOWN) | BIT(CAP_DAC_OVERRIDE) | BIT(CAP_DAC_READ_SEARCH) |
				    BIT(CAP_FOWNER) | BIT(CAP_FSETID) | BIT(CAP_MKNOD) | BIT(CAP_SETFCAP);

/* ---- which are empty ---- */

typedef struct Look {
	const char *passed_over;
	bool found;
} Look;

static Error *look_at(void *arg, int dir, const char *name, unsigned char type)
{
	Look *look = arg;

	(void)dir, (void)type;
	look->found |= !string_equal(name, look->passed_over);
	return NULL;
}

bool volume_is_empty(int directory, const char *data, const char *copy)
{
	Look look = {.passed_over = copy};
	Error *error = dir_each(directory, data, look_at, &look);
	bool is_unknown = error;

	error_free(error); /* nothing is copied to where nothing can be read */
	return !look.found && !is_unknown;
}

/* ---- copying one ---- */

static fallible put_in_place(int staging, int data, int copy, const VolumeWorks *works)
{
	TRY(fault("volume.sync"));
	if (syncfs(copy) < 0)
		return error_errno(errno, "could not sync the volume");
	TRY(fault("volume.rename"));
	if (renameat(staging, works->copy, staging, works->copied) < 0)
		return error_errno(errno, "could not rename \"%s\"", works->copy);
	TRY(fault("volume.move"));
	return dir_move_all(staging, works->copied, data);
}

/* In a volume with a file system of its own, others may be at work: one that is there, or a link, is not ours. */
static fallible make_copy(int *ret, int staging, const char *name)
{
	if (mkdirat(staging, name, 0700) < 0)
		return error_errno(errno, "could not make directory \"%s\"", name);
	return file_open(ret, staging, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
}

static fallible copy_into(int source, int staging, int data, const VolumeWorks *works)
{
	autofd copy = -1;

	TRY(tree_remove(staging, works->copy));
	TRY(copy_directory_attributes(source, data));
	if (volume_is_empty(source, ".", ""))
		return copy_times(source, data);
	TRY(make_copy(&copy, staging, works->copy));
	TRY(fault("volume.copy"));
	TRY(copy_tree(source, copy));
	TRY(put_in_place(staging, data, copy, works));
	TRY(copy_times(source, data));
	return fsync(data) < 0 ? error_errno(errno, "could not sync the volume") : NULL;
}

static fallible no_directory(const char *target, int problem)
{
	if (problem == ENOTDIR)
		return error_new(ERROR_INVALID, "cannot mount volume over existing file, file exists %s", target);
	return error_errno(problem, "could not open \"%s\" of the image", target);
}

/* What the image has there; -1: nothing. A link leads where it leads the container. */
static fallible open_source(int *ret, int view, const char *target)
{
	struct open_how how = {.flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC, .resolve = RESOLVE_IN_ROOT};

	*ret = (int)syscall(SYS_openat2, view, target, &how, sizeof(how));
	return *ret >= 0 || errno == ENOENT ? NULL : no_directory(target, errno);
}

/* What one volume's copy needs, opened while the rights for it are there. */
typedef struct Place {
	int directory, data;
	int source; /* -1: nothing is copied */
} Place;

static bool is_directory(int dir, const char *name)
{
	struct stat status;

	return fstatat(dir, name, &status, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(status.st_mode);
}

static fallible copy_locked(const VolumeWorks *works, const VolumeWork *work, const Place *place)
{
	int staging = work->type ? place->data : place->directory; /* in the file system that it is moved in */

	if (is_directory(staging, works->copied)) /* somebody ended in the middle of moving it */
		return dir_move_all(staging, works->copied, place->data);
	if (place->source < 0 || !volume_is_empty(place->data, ".", works->copy))
		return NULL;
	return copy_into(place->source, staging, place->data, works);
}

static fallible copy_one(const VolumeWorks *works, const VolumeWork *work, const Place *place)
{
	if (flock(place->directory, LOCK_EX) < 0)
		return error_errno(errno, "could not lock \"%s\"", work->directory);
	Error *error = copy_locked(works, work, place);
	flock(place->directory, LOCK_UN);
	return error;
}

/* ---- all of them ---- */

static fallible mount_if_not(const VolumeWork *work, const char *path)
{
	return volume_is_mounted(path) ? NULL : volume_mount(path, work->type, work->device, work->o);
}

/* Where everybody sees it. */
static fallible mount_one(const VolumeWorks *works, const VolumeWork *work)
{
	autofree char *path = path_join(work->directory, works->data);
	autofd directory = -1;

	TRY(dir_open(&directory, AT_FDCWD, work->directory));
	if (flock(directory, LOCK_EX) < 0)
		return error_errno(errno, "could not lock \"%s\"", work->directory);
	return mount_if_not(work, path);
}

/* From here on what is mounted is this child's alone. */
static fallible open_view(int *ret, const VolumeWorks *works)
{
	TRY(confine_namespaces(0));
	if (chdir(works->layers) < 0)
		return error_errno(errno, "could not enter the layers' directory");
	if (string_empty(works->lower))
		return view_open(ret, works->upper);
	return view_open_stacked(ret, works->upper, works->lower);
}

/* One with a file system of its own is mounted only if there is something to be copied. */
static fallible open_place(Place *ret, const VolumeWorks *works, const VolumeWork *work, int view)
{
	autofree char *path = path_join(work->directory, works->data);

	*ret = (Place){-1, -1, -1};
	if (work->target)
		TRY(open_source(&ret->source, view, work->target));
	if (ret->source >= 0 && work->type)
		TRY(mount_if_not(work, path));
	TRY(dir_open(&ret->directory, AT_FDCWD, work->directory));
	return dir_open(&ret->data, AT_FDCWD, path);
}

static fallible confine(int view)
{
	if (fchdir(view) < 0 || chroot(".") < 0)
		return error_errno(errno, "could not make the container's files the root directory");
	TRY(confine_bounding(rights_kept));
	return confine_capabilities(rights_kept);
}

/* The child's end closes what is opened here. */
static fallible copy_all(const VolumeWorks *works)
{
	autofree Place *places = mem_array(NULL, works->count, sizeof(*places));
	int root = -1;

	TRY(open_view(&root, works));
	autofd view = root;
	for (size_t i = 0; i < works->count; i++)
		TRY(open_place(&places[i], works, &works->items[i], view));
	TRY(confine(view));
	for (size_t i = 0; i < works->count; i++)
		TRY(copy_one(works, &works->items[i], &places[i]));
	return NULL;
}

static bool has_copies(const VolumeWorks *works)
{
	for (size_t i = 0; i < works->count; i++) {
		autofree char *copied = string_printf("%s/%s", works->items[i].directory, works->copied);
		if (works->items[i].target || file_exists(AT_FDCWD, copied))
			return true;
	}
	return false;
}

Error *volumes_prepare(const void *arg)
{
	const VolumeWorks *works = arg;

	umask(0);
	for (size_t i = 0; i < works->count && works->mounts; i++)
		if (works->items[i].type)
			TRY(mount_one(works, &works->items[i]));
	return has_copies(works) ? copy_all(works) : NULL;
}

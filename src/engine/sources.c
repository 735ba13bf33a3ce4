// SPDX-License-Identifier: Apache-2.0
/*
 * The host's side of binds: `-v` makes a directory that is missing, as Docker does at each start; `--mount` wants it to
 * be there. A file system that another machine or a program serves may not answer, and whoever looks at it then stays
 * in the kernel: such sources are not touched here (invariant 5), but by the shim and the runtime, which may take their
 * time.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <mntent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>

#include "base/files.h"
#include "base/memory.h"
#include "engine/container_internal.h"

enum { MOUNT_LINE_MAX = 64 << 10, FDINFO_MAX = 64 << 10 };

typedef enum Place { PLACE_THERE, PLACE_ABSENT, PLACE_DISTANT } Place;

/* Names of file systems, by their beginning. */
static const char *const distant_types[] = {"fuse", "nfs", "cifs", "smb", "9p", "virtiofs", "ceph", "afs", "autofs",
	"coda", "gfs2", "lustre", "ocfs2", "orangefs"};

static bool is_distant(const char *type)
{
	for (size_t i = 0; i < COUNT(distant_types); i++)
		if (string_starts(type, distant_types[i]))
			return true;
	return false;
}

static bool is_at_or_below(const char *path, const char *directory)
{
	size_t length = strlen(directory);

	if (length == 1)
		return true;
	return strncmp(path, directory, length) == 0 && (path[length] == '/' || !path[length]);
}

/* The mount that path lies on, as it is spelled; NULL when it, or one on the way to it, is distant. */
static char *near_mount(const char *path)
{
	FILE *file = setmntent("/proc/self/mounts", "re");
	autofree char *line = mem_alloc(MOUNT_LINE_MAX);
	char *mount = mem_strdup("/");
	struct mntent entry;

	while (file && mount && getmntent_r(file, &entry, line, MOUNT_LINE_MAX)) {
		if (!is_at_or_below(path, entry.mnt_dir))
			continue;
		if (is_distant(entry.mnt_type))
			string_replace(&mount, NULL);
		else if (strlen(entry.mnt_dir) >= strlen(mount))
			string_replace(&mount, entry.mnt_dir);
	}
	if (file)
		endmntent(file);
	return mount;
}

/* Links may lead to another mount: from there on nobody knows. Kernels before 5.6 cannot be asked not to follow. */
static Place place_within(const char *mount, const char *path)
{
	struct open_how how = {.flags = O_PATH | O_CLOEXEC, .resolve = RESOLVE_NO_XDEV};
	const char *rest = path + strlen(mount);
	autofd directory = open(mount, O_PATH | O_CLOEXEC);

	rest += strspn(rest, "/");
	autofd found = (int)syscall(SYS_openat2, directory, *rest ? rest : ".", &how, sizeof(how));
	if (found >= 0)
		return PLACE_THERE;
	if (errno == ENOSYS)
		return file_exists(AT_FDCWD, path) ? PLACE_THERE : PLACE_ABSENT;
	return errno == EXDEV ? PLACE_DISTANT : PLACE_ABSENT;
}

static Place place_of(const char *path)
{
	autofree char *mount = near_mount(path);

	return mount ? place_within(mount, path) : PLACE_DISTANT;
}

static fallible source_missing(const char *source)
{
	return error_new(
		ERROR_INVALID, "invalid mount config for type \"bind\": bind source path does not exist: %s", source);
}

fallible sources_check(const ContainerSpec *spec)
{
	const MountSpec *mounts = spec->mounts.items;

	for (size_t i = 0; i < spec->mounts.count; i++)
		if (mounts[i].kind == MOUNT_BIND && !mounts[i].make_source &&
			place_of(mounts[i].source) == PLACE_ABSENT)
			return source_missing(mounts[i].source);
	return NULL;
}

/* ---- propagation ---- */

/* The mount that an open file lies on. Source: proc(5), fdinfo. -1: not said. */
static long mount_id(int fd)
{
	autofree char *path = string_printf("/proc/self/fdinfo/%d", fd), *text = NULL;
	Error *error = file_read(&text, NULL, AT_FDCWD, path, FDINFO_MAX);
	const char *line = error ? NULL : strstr(text, "mnt_id:");

	error_free(error); /* the start goes on without the check */
	return line ? strtol(line + strlen("mnt_id:"), NULL, 10) : -1;
}

/* Its line in mountinfo, cut behind the optional fields, and its place, as that has it; NULL: not there. */
static char *mount_line(long id, char **ret_place)
{
	FILE *file = fopen("/proc/self/mountinfo", "re");
	char *line = NULL;
	size_t room = 0;
	bool is_it = false;

	while (file && !is_it && getline(&line, &room, file) > 0)
		is_it = strtol(line, NULL, 10) == id && sscanf(line, "%*s %*s %*s %*s %ms", ret_place) == 1;
	if (file)
		fclose(file);
	if (!is_it)
		string_replace(&line, NULL);
	char *end = line ? strstr(line, " - ") : NULL;
	if (end)
		*end = '\0';
	return line;
}

/* What is mounted later passes only between peers: Docker refuses as well to bind what has none. */
static fallible check_peers(const char *source, bool may_be_slave)
{
	autofd fd = open(source, O_PATH | O_CLOEXEC);
	autofree char *place = NULL, *line = fd < 0 ? NULL : mount_line(mount_id(fd), &place);

	if (!line || strstr(line, " shared:") || (may_be_slave && strstr(line, " master:")))
		return NULL;
	return error_new(ERROR_INVALID, "path %s is mounted on %s but it is not a shared%s mount", source, place,
		may_be_slave ? " or slave" : "");
}

static fallible check_propagation(const MountSpec *mount)
{
	bool is_slave = mount->propagation && string_ends(mount->propagation, "slave");
	bool is_shared = mount->propagation && string_ends(mount->propagation, "shared");

	if (mount->kind != MOUNT_BIND || (!is_slave && !is_shared) || place_of(mount->source) != PLACE_THERE)
		return NULL;
	return check_peers(mount->source, is_slave);
}

/* ---- making them ---- */

static fallible source_make(StringList *distant, const char *source)
{
	Place place = place_of(source);

	if (place == PLACE_DISTANT)
		strings_add(distant, source);
	if (place == PLACE_ABSENT)
		TRY_WRAP(dir_make_all(AT_FDCWD, source, 0755), "bind source \"%s\"", source);
	return NULL;
}

fallible sources_make(StringList *ret_distant, const ContainerSpec *spec)
{
	const MountSpec *mounts = spec->mounts.items;

	TRY(sources_check(spec));
	for (size_t i = 0; i < spec->mounts.count; i++)
		if (mounts[i].kind == MOUNT_BIND && mounts[i].make_source)
			TRY(source_make(ret_distant, mounts[i].source));
	for (size_t i = 0; i < spec->mounts.count; i++)
		TRY(check_propagation(&mounts[i]));
	return NULL;
}

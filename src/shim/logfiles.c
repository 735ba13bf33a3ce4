// SPDX-License-Identifier: Apache-2.0
#include "shim/logfiles.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include "shim/logline.h"

enum { NAME_SIZE = sizeof(LOG_FILE_NAME) + 16, NONE = -1, ATTEMPTS_MAX = 100 };

void logposition_clear(LogPosition *position)
{
	close_fd(&position->fd);
	*position = LOG_NOWHERE;
}

int64_t logposition_size(const LogPosition *position)
{
	struct stat status;

	return fstat(position->fd, &status) < 0 ? 0 : status.st_size;
}

/* ---- the chain; index 0 is the newest file ---- */

static void name_of(char name[NAME_SIZE], int index)
{
	if (index)
		snprintf(name, NAME_SIZE, LOG_FILE_NAME ".%d", index);
	else
		snprintf(name, NAME_SIZE, LOG_FILE_NAME);
}

/* 0: no such file */
static ino_t inode_at(int dir, int index)
{
	char name[NAME_SIZE];
	struct stat status;

	name_of(name, index);
	return fstatat(dir, name, &status, AT_SYMLINK_NOFOLLOW) < 0 ? 0 : status.st_ino;
}

/* In the middle of a rotation one index is free; two free ones are the end. */
static int find_index(int dir, ino_t inode, int *ret_oldest)
{
	int found = NONE, missing = 0;

	*ret_oldest = NONE;
	for (int index = 0; index <= LOG_FILES_MAX && missing < 2; index++) {
		ino_t there = inode_at(dir, index);
		missing = there ? 0 : missing + 1;
		if (there)
			*ret_oldest = index;
		if (there && there == inode)
			found = index;
	}
	return found;
}

static int next_newer(int dir, int index)
{
	do
		index--;
	while (index >= 0 && !inode_at(dir, index));
	return index; /* NONE when it is the newest */
}

static fallible open_at(LogPosition *ret, int dir, int index)
{
	char name[NAME_SIZE];
	struct stat status;

	name_of(name, index);
	autofd fd = openat(dir, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (fd < 0 && errno == ENOENT)
		return NULL;
	if (fd < 0 || fstat(fd, &status) < 0)
		return error_errno(errno, "could not open the container's log");
	if (!S_ISREG(status.st_mode))
		return error_new(ERROR_INTERNAL, "\"%s\" is not a regular file", name);
	*ret = (LogPosition){take_fd(&fd), status.st_ino, 0};
	return NULL;
}

Error *logfiles_newest(LogPosition *ret, int dir)
{
	*ret = LOG_NOWHERE;
	for (int index = 0; index < 2 && ret->fd < 0; index++)
		TRY(open_at(ret, dir, index));
	return NULL;
}

/*
 * The neighbour of a file whose index and surroundings were looked at first. The shim may rename meanwhile: what was
 * opened is the neighbour only if everything is still where it was.
 */
typedef struct Step {
	int from; /* index of the file whose neighbour is wanted; NONE: it has gone */
	int to;   /* index of the neighbour; NONE: there is none */
	int oldest;
} Step;

static Step look(int dir, ino_t inode, bool newer)
{
	Step step;

	step.from = find_index(dir, inode, &step.oldest);
	if (step.from == NONE)
		step.to = step.oldest;
	else if (newer)
		step.to = next_newer(dir, step.from);
	else
		step.to = step.from < step.oldest ? step.from + 1 : NONE;
	return step;
}

static bool is_same(const Step *a, const Step *b)
{
	return a->from == b->from && a->to == b->to && a->oldest == b->oldest;
}

static fallible open_neighbour(LogPosition *ret, int dir, ino_t inode, bool newer)
{
	for (int attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
		autoclear(LogPosition) found = LOG_NOWHERE;
		Step before = look(dir, inode, newer);
		if (before.to == NONE)
			return NULL;
		TRY(open_at(&found, dir, before.to));
		Step after = look(dir, inode, newer);
		if (found.fd < 0 || !is_same(&before, &after) || found.inode != inode_at(dir, after.to))
			continue;
		*ret = found;
		found = LOG_NOWHERE;
		return NULL;
	}
	return NULL; /* it is being renamed all the time: the next look will do */
}

Error *logfiles_oldest(LogPosition *ret, int dir)
{
	*ret = LOG_NOWHERE;
	return open_neighbour(ret, dir, 0, true);
}

/* The shim may rename between the look and the opening. */
Error *logfiles_find(LogPosition *ret, int dir, ino_t inode)
{
	*ret = LOG_NOWHERE;
	for (int attempt = 0; attempt < ATTEMPTS_MAX && inode; attempt++) {
		autoclear(LogPosition) found = LOG_NOWHERE;
		int oldest, index = find_index(dir, inode, &oldest);

		if (index == NONE)
			return NULL;
		TRY(open_at(&found, dir, index));
		if (found.inode != inode)
			continue;
		*ret = found;
		found = LOG_NOWHERE;
		return NULL;
	}
	return NULL;
}

Error *logfiles_after(LogPosition *ret, int dir, const LogPosition *position)
{
	*ret = LOG_NOWHERE;
	return open_neighbour(ret, dir, position->inode, true);
}

Error *logfiles_before(LogPosition *ret, int dir, const LogPosition *position)
{
	int oldest;

	*ret = LOG_NOWHERE;
	if (find_index(dir, position->inode, &oldest) == NONE)
		return NULL; /* removed: there was none before it */
	return open_neighbour(ret, dir, position->inode, false);
}

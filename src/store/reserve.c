// SPDX-License-Identifier: Apache-2.0
/*
 * The file reserve: space that a full disk cannot take away from records and deletions. Its last part is for
 * checkpoints of the database only: once the WAL is empty, records are changed in the space that they have, for as long
 * as it takes.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/log.h"
#include "store/internal.h"

enum {
	MEBI = 1 << 20,
	RESERVE_FULL = 8 * MEBI,
	RESERVE_STEP = MEBI,
	RESERVE_LAST = 2 * MEBI,
	FREE_TO_MAKE = 64 * MEBI,
	FULL_BELOW = 16 * MEBI,
};

static const char name[] = "reserve";

/* Where fallocate(2) is not known, bytes that no file system compresses away. */
static bool fill(int fd)
{
	char block[4096];

	if (fallocate(fd, 0, 0, RESERVE_FULL) == 0)
		return true;
	if (errno != EOPNOTSUPP)
		return false;
	for (int i = 0; i < RESERVE_FULL / (int)sizeof(block); i++)
		if (getrandom(block, sizeof(block), 0) != sizeof(block) ||
			write(fd, block, sizeof(block)) != sizeof(block))
			return false;
	return true;
}

static void reserve_make(Store *store)
{
	autofd fd = openat(store->dir, name, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);

	if (fd < 0)
		return;
	if (fill(fd))
		store->reserved = RESERVE_FULL;
	else if (ftruncate(fd, 0) < 0)
		log_debug("could not empty the store's reserve");
}

bool reserve_give(Store *store)
{
	if (store->reserved <= 0)
		return false;
	autofd fd = openat(store->dir, name, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
	if (store->reserved == RESERVE_FULL)
		log_warning("the disk of \"%s\" is full: giving up the reserve, step by step", store->root);
	store->reserved -= RESERVE_STEP;
	return fd >= 0 && ftruncate(fd, store->reserved) == 0;
}

/* The file's size is what an earlier process has left of it. */
static void reserve_look(Store *store)
{
	struct stat status;

	store->reserved = fstatat(store->dir, name, &status, AT_SYMLINK_NOFOLLOW) == 0
				  ? status.st_size / RESERVE_STEP * RESERVE_STEP
				  : 0;
}

/* What is free without the reserve; a file system that has no size counts as endless. */
static uint64_t space_free(const Store *store)
{
	struct statvfs space;

	if (fstatvfs(store->dir, &space) < 0 || space.f_blocks == 0)
		return UINT64_MAX;
	return (uint64_t)space.f_bfree * space.f_frsize;
}

bool reserve_is_short_of(const Store *store, uint64_t bytes)
{
	return space_free(store) < bytes;
}

bool store_is_full(const Store *store)
{
	return reserve_is_short_of(store, FULL_BELOW);
}

void reserve_tend(Store *store)
{
	if (store->reserved < 0)
		reserve_look(store);
	if (store->reserved < RESERVE_FULL && space_free(store) >= FREE_TO_MAKE)
		reserve_make(store);
}

void reserve_make_room(void *arg, Room room)
{
	Store *store = arg;

	if (room == ROOM_BEFORE)
		reserve_tend(store);
	else if (room == ROOM_FOR_CHECKPOINT || store->reserved > RESERVE_LAST)
		reserve_give(store);
}

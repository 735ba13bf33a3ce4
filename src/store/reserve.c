// SPDX-License-Identifier: Apache-2.0
/* The file reserve: space that a full disk cannot take away from records and deletions. */
#include <errno.h>
#include <fcntl.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/log.h"
#include "store/internal.h"

enum { MEBI = 1 << 20, RESERVE_FULL = 8 * MEBI, RESERVE_STEP = MEBI, FREE_TO_MAKE = 64 * MEBI, FREE_TO_GIVE = MEBI };

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

void reserve_tend(Store *store)
{
	struct statvfs space;

	if (store->reserved < 0)
		reserve_look(store);
	if (fstatvfs(store->dir, &space) < 0 || space.f_blocks == 0)
		return;
	uint64_t available = (uint64_t)space.f_bfree * space.f_frsize;
	if (available >= FREE_TO_MAKE && store->reserved < RESERVE_FULL)
		reserve_make(store);
	else if (available < FREE_TO_GIVE)
		reserve_give(store);
}

void reserve_make_room(void *arg, bool ran_full)
{
	if (ran_full)
		reserve_give(arg);
	else
		reserve_tend(arg);
}

// SPDX-License-Identifier: Apache-2.0
#include "shim/logplace.h"

#include <fcntl.h>
#include <linux/stat.h>
#include <stddef.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"

#define MAGIC UINT64_C(0x31676f6c6567646b) /* "kdgelog1" */

typedef struct Sector {
	uint64_t magic, checksum;
	LogForwarded place;
} Sector;

_Static_assert(sizeof(Sector) <= LOG_PLACE_SIZE, "one sector holds it");

/* FNV-1a: what a power cut leaves of a sector is not made by an adversary. */
static uint64_t checksum_of(const LogForwarded *place)
{
	const unsigned char *at = (const unsigned char *)place;
	uint64_t sum = UINT64_C(14695981039346656037);

	for (size_t i = 0; i < sizeof(*place); i++)
		sum = (sum ^ at[i]) * UINT64_C(1099511628211);
	return sum;
}

bool logplace_read(LogForwarded *ret, int fd)
{
	char memory[LOG_PLACE_SIZE];
	Sector sector;

	memset(ret, 0, sizeof(*ret));
	if (pread(fd, memory, sizeof(memory), 0) != (ssize_t)sizeof(memory))
		return false;
	memcpy(&sector, memory, sizeof(sector));
	if (sector.magic != MAGIC || sector.checksum != checksum_of(&sector.place))
		return false;
	sector.place.error[LOG_PLACE_ERROR_MAX - 1] = '\0';
	*ret = sector.place;
	return true;
}

bool logplace_read_at(LogForwarded *ret, int dir)
{
	autofd fd = openat(dir, LOG_PLACE_NAME, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);

	memset(ret, 0, sizeof(*ret));
	return fd >= 0 && logplace_read(ret, fd);
}

bool logplace_write(int fd, const LogForwarded *place)
{
	char memory[LOG_PLACE_SIZE] = {0};
	Sector sector;

	memset(&sector, 0, sizeof(sector));
	sector.magic = MAGIC;
	memcpy(&sector.place, place, sizeof(*place));
	sector.checksum = checksum_of(&sector.place);
	memcpy(memory, &sector, sizeof(sector));
	return pwrite(fd, memory, sizeof(memory), 0) == (ssize_t)sizeof(memory);
}

/* ---- which file it is ---- */

static bool look(struct statx *ret, int dir, const char *name)
{
	return syscall(SYS_statx, dir, name, AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW, STATX_INO | STATX_BTIME, ret) == 0;
}

static int64_t birth_of(const struct statx *status)
{
	if (!(status->stx_mask & STATX_BTIME))
		return 0;
	return (int64_t)status->stx_btime.tv_sec * INT64_C(1000000000) + status->stx_btime.tv_nsec;
}

int64_t logplace_birth(int dir, const char *name)
{
	struct statx status;

	return look(&status, dir, name) ? birth_of(&status) : 0;
}

bool logplace_is_in(const LogSpot *spot, int dir, const char *name)
{
	struct statx status;

	if (!spot->file || !look(&status, dir, name) || status.stx_ino != spot->file)
		return false;
	return !spot->birth || spot->birth == birth_of(&status);
}

/* ---- lines that are gone ---- */

int64_t logplace_removed(int dir)
{
	autofd fd = openat(dir, LOG_REMOVED_NAME, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	int64_t lines = 0;

	return fd >= 0 && pread(fd, &lines, sizeof(lines), 0) == (ssize_t)sizeof(lines) && lines > 0 ? lines : 0;
}

void logplace_add_removed(int dir, int64_t lines)
{
	int64_t sum = logplace_removed(dir) + lines;
	autofd fd = openat(dir, LOG_REMOVED_NAME, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0640);

	/* A disk that takes nothing keeps an old number: fewer lines are told of than were dropped. */
	if (fd >= 0 && pwrite(fd, &sum, sizeof(sum), 0) != (ssize_t)sizeof(sum))
		return;
}

// SPDX-License-Identifier: Apache-2.0
/* Preloaded into a program, it makes every sync of a file a lie: what a test of power cuts must notice. */
#include <fcntl.h>
#include <sys/types.h>
#include <unistd.h>

int fsync(int fd)
{
	(void)fd;
	return 0;
}

int fdatasync(int fd)
{
	return fsync(fd);
}

int syncfs(int fd)
{
	return fsync(fd);
}

int sync_file_range(int fd, off64_t offset, off64_t count, unsigned int flags)
{
	(void)offset, (void)count, (void)flags;
	return fsync(fd);
}

void sync(void)
{
}

// SPDX-License-Identifier: Apache-2.0
#include "shim/network.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

/* In one call where the kernel has it (5.11): there may be thousands. */
static void close_all_on_exec(int first, int count)
{
	if (syscall(SYS_close_range, first, first + count - 1, CLOSE_RANGE_CLOEXEC) == 0)
		return;
	for (int i = 0; i < count; i++)
		fcntl(first + i, F_SETFD, FD_CLOEXEC);
}

void network_adopt(const ShimSettings *settings)
{
	if (settings->netns_fd >= 0)
		fcntl((int)settings->netns_fd, F_SETFD, FD_CLOEXEC);
	if (settings->held_count)
		close_all_on_exec((int)settings->held_fd, (int)settings->held_count);
}

Error *network_enter(const ShimSettings *settings)
{
	if (settings->netns_fd < 0)
		return NULL;
	if (setns((int)settings->netns_fd, CLONE_NEWNET) < 0)
		return error_errno(errno, "could not enter the container's network namespace");
	close((int)settings->netns_fd);
	return NULL;
}

void network_release(const ShimSettings *settings)
{
	int first = (int)settings->held_fd, count = (int)settings->held_count;

	if (!count || syscall(SYS_close_range, first, first + count - 1, 0) == 0)
		return;
	for (int i = 0; i < count; i++)
		close(first + i);
}

// SPDX-License-Identifier: Apache-2.0
/* A command in a container that runs: it enters what the container's init has. */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/files.h"
#include "base/member.h"
#include "shim/native_steps.h"

Error *native_read_group_name(Native *native, const char *const *fields)
{
	native->group = fields[0];
	return NULL;
}

/* One that is gone with its container is not made again. */
Error *native_open_born_in(Native *native, const char *const *fields)
{
	return file_open(&native->born_in, AT_FDCWD, fields[0], O_PATH | O_DIRECTORY, 0);
}

/* A number may have passed on to another process, the container's control groups never. */
static fallible check_group(const Native *native, const char *pid)
{
	autofree char *process = path_join("/proc", pid);

	if (!native->group || !member_of(native->group, AT_FDCWD, process))
		return error_new(ERROR_CONFLICT, "the container has ended");
	return NULL;
}

/* The namespace of processes is for children: ours is born in it. */
Error *native_find(Native *native, const char *const *fields)
{
	native->target = (int)syscall(SYS_pidfd_open, atoi(fields[0]), 0);
	if (native->target < 0)
		return error_errno(errno, "could not find the container's init");
	TRY(check_group(native, fields[0]));
	if (setns(native->target, CLONE_NEWPID) < 0)
		return error_errno(errno, "could not enter the container's processes");
	return NULL;
}

Error *native_enter(Native *native, const char *const *fields)
{
	(void)fields;
	if (setns(native->target, CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWNET) < 0)
		return error_errno(errno, "could not enter the container's namespaces");
	close_fd(&native->target);
	return NULL;
}

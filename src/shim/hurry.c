// SPDX-License-Identifier: Apache-2.0
#include "shim/hurry.h"

#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/strings.h"

/* <hierarchy>/<parent>/cgroup.procs */
static bool parent_group(char *ret, size_t size, const char *oom_file)
{
	const char *end;

	if (string_empty(oom_file) || !string_ends(oom_file, "/memory.oom_control"))
		return false;
	end = strrchr(oom_file, '/');
	do
		end--;
	while (end > oom_file && *end != '/');
	return snprintf(ret, size, "%.*s/cgroup.procs", (int)(end - oom_file), oom_file) < (int)size;
}

void hurry_control_groups(const char *oom_file)
{
	char path[PATH_MAX];
	int fd;

	if (!parent_group(path, sizeof(path), oom_file) || fork() != 0)
		return;
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd >= 0)
		(void)!write(fd, "0", 1); /* 0: the writer itself */
	_exit(0);
}

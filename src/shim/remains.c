// SPDX-License-Identifier: Apache-2.0
#include "shim/remains.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/files.h"

enum { ROUNDS_MAX = 10, PROCS_MAX = 64 * 1024, MOUNTINFO_MAX = 4 * 1024 * 1024 };

/* 1, 2, 4, ... ms: about a second in all. */
static void wait_round(int round)
{
	struct timespec delay = {.tv_nsec = (1L << round) * 1000 * 1000};

	nanosleep(&delay, NULL);
}

/* For each number in a text of numbers. */
static void kill_listed(const char *text)
{
	char *end;

	for (long pid = strtol(text, &end, 10); end != text; pid = strtol(text, &end, 10)) {
		if (pid > 1 && pid != getpid())
			kill((pid_t)pid, SIGKILL);
		text = end;
	}
}

/* ---- processes ---- */

static void kill_children(void)
{
	autofree char *text = NULL;
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/task/%d/children", (int)getpid());
	Error *error = file_read(&text, NULL, AT_FDCWD, path, PROCS_MAX);
	if (!error)
		kill_listed(text);
	error_free(error); /* a kernel without that file: they live on, as orphans of the host */
}

void remains_kill_children(void)
{
	for (int round = 0; round < ROUNDS_MAX; round++) {
		pid_t pid;
		while ((pid = waitpid(-1, NULL, WNOHANG)) > 0)
			;
		if (pid < 0)
			return;
		kill_children();
		wait_round(round);
	}
}

/* ---- control groups ---- */

static void kill_group(const char *path)
{
	autofree char *procs = path_join(path, "cgroup.procs");
	autofree char *text = NULL;
	Error *error = file_read(&text, NULL, AT_FDCWD, procs, PROCS_MAX);

	if (!error)
		kill_listed(text);
	error_free(error); /* gone */
}

static bool remove_group(const char *path)
{
	for (int round = 0; rmdir(path) < 0; round++) {
		if (errno == ENOENT)
			return true;
		if (errno != EBUSY || round == ROUNDS_MAX - 2)
			return false;
		kill_group(path);
		wait_round(round);
	}
	return true;
}

/* Mount points have \040 for a space and the like. */
static void unescape_octal(char *text)
{
	char *to = text;

	for (char *at = text; *at; to++) {
		if (at[0] == '\\' && at[1] >= '0' && at[1] <= '3' && at[2] && at[3]) {
			*to = (char)((at[1] - '0') << 6 | (at[2] - '0') << 3 | (at[3] - '0'));
			at += 4;
		} else {
			*to = *at++;
		}
	}
	*to = '\0';
}

/* The mount point of a mountinfo line of either version of cgroups, cut out of it; NULL for others. Source:
 * proc_pid_mountinfo(5). */
static char *cgroup_mount_point(char *line)
{
	char *type = strstr(line, " - ");

	if (!type || strncmp(type, " - cgroup", 9))
		return NULL;
	for (int field = 0; field < 4; field++) {
		line = strchr(line, ' ');
		if (!line)
			return NULL;
		line++;
	}
	line[strcspn(line, " ")] = '\0';
	unescape_octal(line);
	return line;
}

static bool remove_groups(const char *cgroup)
{
	autofree char *text = NULL;
	bool is_all = true;
	Error *error = file_read(&text, NULL, AT_FDCWD, "/proc/self/mountinfo", MOUNTINFO_MAX);

	if (error) {
		error_free(error); /* the runtime will find them */
		return false;
	}
	char *next = text;
	for (char *line; (line = strsep(&next, "\n"));) {
		const char *mount_point = cgroup_mount_point(line);
		autofree char *path = mount_point ? path_join(mount_point, cgroup) : NULL;
		if (path && !remove_group(path))
			is_all = false;
	}
	return is_all;
}

bool remains_remove(const ShimSettings *settings)
{
	autofree char *record = path_join(settings->runtime_root, settings->id);

	if (!settings->is_crun || string_empty(settings->cgroup) || !remove_groups(settings->cgroup))
		return false;
	Error *error = tree_remove(AT_FDCWD, record);
	bool is_gone = !error;
	error_free(error); /* the runtime tries once more */
	return is_gone;
}

int64_t remains_oom_number(const char *oom_file, const char *name)
{
	size_t length = strlen(name);
	autofree char *text = NULL;

	if (!oom_file)
		return 0;
	Error *error = file_read(&text, NULL, AT_FDCWD, oom_file, PROCS_MAX);
	error_free(error); /* not there yet, or not any more */
	for (const char *line = text; line && *line; line = strchr(line, '\n') ? strchr(line, '\n') + 1 : NULL)
		if (!strncmp(line, name, length) && line[length] == ' ')
			return strtoll(line + length, NULL, 10);
	return 0;
}

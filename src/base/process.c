// SPDX-License-Identifier: Apache-2.0
#include "base/process.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/memory.h"
#include "base/strings.h"

enum { SPARE_FD = 64 }; /* where descriptors wait that are to become the child's low numbers */

static const char default_path[] = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

typedef struct Spawn {
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	int program; /* 0: none */
	int *spares;
	size_t spare_count;
} Spawn;

static void spawn_clear(Spawn *spawn)
{
	posix_spawn_file_actions_destroy(&spawn->actions);
	posix_spawnattr_destroy(&spawn->attributes);
	while (spawn->spare_count)
		close(spawn->spares[--spawn->spare_count]);
	free(spawn->spares);
}
DEFINE_AUTOCLEAR(Spawn, spawn_clear)

static int first_spare(const ProcessSpec *spec)
{
	int first = SPARE_FD;

	for (size_t i = 0; i < spec->fd_count; i++)
		if (spec->fds[i].to >= first)
			first = spec->fds[i].to + 1;
	int end = spec->block_to + (int)spec->block_count;
	return spec->block_count && end > first ? end : first;
}

static bool is_listed(const ProcessSpec *spec, int fd)
{
	for (size_t i = 0; i < spec->fd_count; i++)
		if (spec->fds[i].to == fd)
			return true;
	return false;
}

static fallible keep_spare(int *ret, Spawn *spawn, int fd, int first_spare)
{
	int spare = fcntl(fd, F_DUPFD_CLOEXEC, first_spare);

	if (spare < 0)
		return error_errno(errno, "could not duplicate descriptor %d", fd);
	spawn->spares[spawn->spare_count++] = spare;
	*ret = spare;
	return NULL;
}

static fallible plan_fd(Spawn *spawn, const ProcessFd *fd, int first_spare)
{
	int spare = -1;

	TRY(keep_spare(&spare, spawn, fd->from, first_spare));
	int problem = posix_spawn_file_actions_adddup2(&spawn->actions, spare, fd->to);
	return problem ? error_errno(problem, "could not hand down descriptor %d", fd->from) : NULL;
}

/* Each descriptor is first moved out of the way of all targets, so that lists may overlap and swap. */
static fallible plan_fds(Spawn *spawn, const ProcessSpec *spec)
{
	int first = first_spare(spec), problem = 0;

	spawn->spares = mem_array(NULL, spec->fd_count + spec->block_count + 1, sizeof(*spawn->spares));
	for (size_t i = 0; i < spec->fd_count; i++)
		TRY(plan_fd(spawn, &spec->fds[i], first));
	for (size_t i = 0; i < spec->block_count; i++)
		TRY(plan_fd(spawn, &(ProcessFd){spec->block[i], spec->block_to + (int)i}, first));
	if (spec->program_fd)
		TRY(keep_spare(&spawn->program, spawn, spec->program_fd, first));
	for (int fd = 0; fd < 2 && !problem; fd++)
		if (!is_listed(spec, fd))
			problem = posix_spawn_file_actions_addopen(&spawn->actions, fd, "/dev/null", O_RDWR, 0);
	if (!problem && spec->directory)
		problem = posix_spawn_file_actions_addchdir_np(&spawn->actions, spec->directory);
	return problem ? error_errno(problem, "could not prepare descriptors for \"%s\"", spec->path) : NULL;
}

/* The child starts with no signal blocked and none ignored, whatever this program does with its own. */
static fallible plan_signals(Spawn *spawn, const ProcessSpec *spec)
{
	sigset_t none, all;
	short flags = POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF;

	sigemptyset(&none);
	sigfillset(&all);
	if (spec->new_session)
		flags |= POSIX_SPAWN_SETSID;
	int problem = posix_spawnattr_setsigmask(&spawn->attributes, &none);
	if (!problem)
		problem = posix_spawnattr_setsigdefault(&spawn->attributes, &all);
	if (!problem)
		problem = posix_spawnattr_setflags(&spawn->attributes, flags);
	return problem ? error_errno(problem, "could not prepare signals for \"%s\"", spec->path) : NULL;
}

Error *process_spawn(pid_t *ret, const ProcessSpec *spec)
{
	autoclear(Spawn) spawn = {.spare_count = 0};
	const char *path = getenv("PATH");
	autofree char *own_path = path ? string_printf("PATH=%s", path) : NULL;
	const char *const env[] = {own_path ? own_path : default_path, NULL};
	pid_t pid;

	posix_spawn_file_actions_init(&spawn.actions);
	posix_spawnattr_init(&spawn.attributes);
	TRY(plan_fds(&spawn, spec));
	TRY(plan_signals(&spawn, spec));
	autofree char *opened = spawn.program ? string_printf("/proc/self/fd/%d", spawn.program) : NULL;
	int problem = posix_spawnp(&pid, opened ? opened : spec->path, &spawn.actions, &spawn.attributes,
		(char *const *)spec->argv, (char *const *)(spec->env ? spec->env : env));
	if (problem)
		return error_errno(problem, "could not start \"%s\"", spec->path);
	*ret = pid;
	return NULL;
}

void process_status_text(char *ret, size_t size, int wait_status)
{
	if (WIFEXITED(wait_status)) {
		snprintf(ret, size, "exit status %d", WEXITSTATUS(wait_status));
	} else if (WIFSIGNALED(wait_status)) {
		const char *name = signal_name(WTERMSIG(wait_status));
		snprintf(ret, size, "killed by signal %d (%s)", WTERMSIG(wait_status), name ? name : "unknown");
	} else {
		snprintf(ret, size, "unknown status %d", wait_status);
	}
}

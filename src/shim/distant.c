// SPDX-License-Identifier: Apache-2.0
#include "shim/distant.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/files.h"
#include "shim/sources.h"

enum { REASON_MAX = 256 };

static fallible prepare(const ShimSettings *settings, int host)
{
	for (size_t i = 0; i < settings->distant.count; i++)
		TRY(dir_make_all(AT_FDCWD, settings->distant.items[i], 0755));
	return sources_bind(settings, host);
}

/* In the shim's mount namespace: what is mounted here is there. */
static void __attribute__((noreturn)) prepare_and_tell(const ShimSettings *settings, int host, int out)
{
	Error *error = prepare(settings, host);

	if (error) /* a reason that does not fit is cut; nobody reads it if it cannot be written */
		dprintf(out, "%.*s", REASON_MAX - 1, error_message(error));
	_exit(error ? EXIT_FAILURE : EXIT_SUCCESS);
}

/* The pipe's end is the process's: it has written why it failed, or nothing. */
static fallible wait_for(int in, int64_t timeout_ms)
{
	struct pollfd end = {.fd = in, .events = POLLIN};
	char reason[REASON_MAX];
	int ready;

	do
		ready = poll(&end, 1, (int)timeout_ms);
	while (ready < 0 && errno == EINTR);
	if (ready <= 0)
		return error_new(ERROR_UNAVAILABLE, "the directories to be bound could not be looked at in time");
	ssize_t length = read(in, reason, sizeof(reason));
	if (length > 0)
		return error_new(ERROR_INVALID, "%.*s", (int)length, reason);
	return NULL;
}

/* One that stays in the kernel is not waited for: it is reaped when it comes back, as any child of this process. */
fallible distant_prepare(const ShimSettings *settings, int host)
{
	int ends[2];

	if (!settings->distant.count && !settings->sources.count)
		return NULL;
	if (pipe2(ends, O_CLOEXEC) < 0)
		return error_errno(errno, "could not make a pipe");
	autofd in = ends[0], out = ends[1];
	pid_t pid = fork();
	if (pid < 0)
		return error_errno(errno, "could not start a process");
	if (!pid)
		prepare_and_tell(settings, host, out);
	close_fd(&out);
	Error *error = wait_for(in, settings->start_timeout_ms);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, error ? WNOHANG : 0);
	return error;
}

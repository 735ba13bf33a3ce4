// SPDX-License-Identifier: Apache-2.0
#include "runtime/ask.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/process.h"

int64_t ask_deadline_ns(void)
{
	return clock_monotonic_ns() + ASK_TIME_MS * NANOS_PER_MILLI;
}

fallible ask_start(Ask *ret, const char *const *argv, int stream)
{
	ProcessSpec spec = {.path = argv[0], .argv = argv, .new_session = true};
	int ends[2];

	ret->pid = ret->output = -1;
	ret->length = 0;
	ret->text[0] = '\0';
	if (pipe2(ends, O_CLOEXEC) < 0)
		return error_errno(errno, "could not make a pipe");
	autofd theirs = ends[1];
	ret->output = ends[0];
	spec.fds[spec.fd_count++] = (ProcessFd){.from = theirs, .to = stream};
	return process_spawn(&ret->pid, &spec);
}

static int left_ms(int64_t deadline_ns)
{
	int64_t left = (deadline_ns - clock_monotonic_ns()) / NANOS_PER_MILLI;

	return left > 0 ? (int)left : 0;
}

/* False when time is up or there is no more. */
static bool read_more(Ask *ask, int64_t deadline_ns)
{
	struct pollfd wait = {.fd = ask->output, .events = POLLIN};
	size_t room = sizeof(ask->text) - 1 - ask->length;

	if (!room || !left_ms(deadline_ns) || poll(&wait, 1, left_ms(deadline_ns)) <= 0)
		return false;
	ssize_t count = read(ask->output, ask->text + ask->length, room);
	if (count > 0)
		ask->length += (size_t)count;
	ask->text[ask->length] = '\0';
	return count > 0 || (count < 0 && errno == EINTR);
}

/* Ends the process whatever it does: its pidfd is waited for, then it is killed. */
static int reap(const Ask *ask, int64_t deadline_ns)
{
	autofd pidfd = (int)syscall(SYS_pidfd_open, ask->pid, 0);
	struct pollfd wait = {.fd = pidfd, .events = POLLIN};
	int status = -1;

	if (pidfd < 0 || poll(&wait, 1, left_ms(deadline_ns)) <= 0)
		kill(-ask->pid, SIGKILL);
	waitpid(ask->pid, &status, 0);
	return status;
}

int ask_finish(Ask *ask, int64_t deadline_ns)
{
	int status = -1;

	if (ask->pid > 0) {
		while (read_more(ask, deadline_ns))
			;
		status = reap(ask, deadline_ns);
	}
	close_fd(&ask->output);
	ask->pid = -1;
	return status;
}

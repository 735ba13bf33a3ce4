// SPDX-License-Identifier: Apache-2.0
#include "base/aside.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/memory.h"
#include "base/orphan.h"
#include "base/process.h"

enum { REPORT_MAX = 4096 }; /* fits into the pipe, which nobody reads meanwhile */

struct Aside {
	Loop *loop;
	pid_t pid; /* 0 once it was reaped */
	int report;
	Source *child;
	AsideDone *done;
	void *done_arg;
};

/* ---- the child: its standard output is the pipe for its report ---- */

static void forget_signals(void)
{
	sigset_t none;

	for (int number = 1; number <= SIGRTMAX; number++)
		signal(number, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

/* "KIND MESSAGE\0HINT"; without a hint it ends behind the message. */
static void report_error(const Error *error)
{
	autoclear(Buffer) text = {0};

	buffer_printf(&text, "%d %.*s", (int)error_kind(error), REPORT_MAX / 2, error_message(error));
	if (error_hint_text(error)) {
		buffer_add_char(&text, '\0');
		buffer_printf(&text, "%.*s", REPORT_MAX / 4, error_hint_text(error));
	}
	if (write(STDOUT_FILENO, text.data, text.length) < 0)
		_exit(EXIT_FAILURE);
}

static _Noreturn void child_main(pid_t parent, int report, int input_fd, AsideWork *work, const void *work_arg)
{
	Error *error;

	forget_signals();
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent || dup2(report, STDOUT_FILENO) < 0 ||
		(input_fd >= 0 && dup2(input_fd, STDIN_FILENO) < 0))
		_exit(EXIT_FAILURE);
	close_range(STDERR_FILENO + 1, ~0U, 0);
	error = work(work_arg);
	if (error)
		report_error(error);
	_exit(error ? EXIT_FAILURE : EXIT_SUCCESS);
}

/* ---- its end ---- */

static fallible read_report(const char *report, size_t length)
{
	char *message;
	long kind = strtol(report, &message, 10);
	size_t text_length = strlen(report);
	Error *error = error_new((ErrorKind)kind, "%s", message + 1);

	return text_length < length ? error_hint(error, "%s", report + text_length + 1) : error;
}

static fallible result(const Aside *aside, int wait_status)
{
	char report[REPORT_MAX], how[64];
	ssize_t length;

	if (wait_status == 0)
		return NULL;
	length = read(aside->report, report, sizeof(report) - 1);
	if (length > 0) {
		report[length] = '\0';
		return read_report(report, (size_t)length);
	}
	process_status_text(how, sizeof(how), wait_status);
	return error_new(ERROR_INTERNAL, "a child at work ended early: %s", how);
}

static void on_exit_of_child(void *arg, int wait_status)
{
	Aside *aside = arg;

	aside->pid = 0;
	aside->done(aside->done_arg, result(aside, wait_status));
}

/* ---- life ---- */

/* *report: the end of the pipe that is the child's. */
static fallible open_report(Aside *aside, int *report)
{
	int ends[2];

	if (pipe2(ends, O_CLOEXEC) < 0)
		return error_errno(errno, "could not make a pipe");
	aside->report = ends[0];
	*report = ends[1];
	fcntl(aside->report, F_SETFL, O_NONBLOCK);
	return NULL;
}

fallible aside_start(
	Aside **ret, Loop *loop, AsideWork *work, const void *work_arg, int input_fd, AsideDone *done, void *done_arg)
{
	autoptr(Aside) aside = mem_new(Aside);
	autofd report = -1;
	pid_t parent = getpid();

	*aside = (Aside){.loop = loop, .report = -1, .done = done, .done_arg = done_arg};
	TRY(open_report(aside, &report));
	pid_t pid = fork();
	if (pid < 0)
		return error_errno(errno, "could not start a child");
	if (pid == 0)
		child_main(parent, report, input_fd, work, work_arg);
	aside->pid = pid;
	TRY(loop_child(&aside->child, loop, pid, on_exit_of_child, aside));
	*ret = take(aside);
	return NULL;
}

Aside *aside_free(Aside *aside)
{
	if (!aside)
		return NULL;
	source_free(aside->child);
	if (aside->pid) {
		kill(aside->pid, SIGKILL);
		orphan_reap(aside->loop, aside->pid);
	}
	close_fd(&aside->report);
	free(aside);
	return NULL;
}

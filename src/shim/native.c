// SPDX-License-Identifier: Apache-2.0
#include "shim/native.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/files.h"
#include "shim/launch.h"
#include "shim/native_steps.h"

enum { PLAN_MAX = 4 << 20, REASON_MAX = 512 };

static const char plan_name[] = "plan";

/* ---- inside ---- */

/* Nobody may look into it while it still is the host's program. */
static fallible become_container(Native *native, const char *plan, size_t length)
{
	if (prctl(PR_SET_DUMPABLE, 0) < 0)
		return error_errno(errno, "could not hide from the container");
	TRY(native_keep_streams(native));
	TRY(native_take_steps(native, plan, length, true));
	return native_execute(native);
}

static _Noreturn void inside(Native *native, const char *plan, size_t length)
{
	Error *error = become_container(native, plan, length);
	const char *reason = error_message(error);

	if (write(native->report, reason, strlen(reason)) < 0)
		_exit(2);
	_exit(1);
}

/* ---- outside ---- */

/* A child as of fork(2), in namespaces of its own and born in its group of version 2. */
static fallible split(pid_t *ret, const Native *native)
{
	struct clone_args arguments = {.flags = native->namespaces, .exit_signal = SIGCHLD};

	if (native->born_in >= 0) {
		arguments.flags |= CLONE_INTO_CGROUP;
		arguments.cgroup = (uint64_t)native->born_in;
	}
	long pid = syscall(SYS_clone3, &arguments, sizeof(arguments));
	if (pid < 0)
		return error_errno(errno, "could not make a process in namespaces of its own");
	*ret = (pid_t)pid;
	return NULL;
}

/* Field 22 of /proc/PID/stat, by which crun knows a pid that was used again. */
static unsigned long long read_start_time(pid_t pid)
{
	autofree char *path = string_printf("/proc/%d/stat", (int)pid), *text = NULL;
	unsigned long long start = 0;
	Error *error = file_read(&text, NULL, AT_FDCWD, path, 4096);
	const char *after_name = error ? NULL : strrchr(text, ')');

	error_free(error); /* it has ended already */
	if (after_name)
		sscanf(after_name + 2,
			"%*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d %*d %llu", &start);
	return start;
}

/* What crun exec, pause and delete look for. They read the filter from its file: without it, exec would have none. */
static fallible write_record(const Native *native, pid_t pid)
{
	autofree char *directory = path_join(native->settings->runtime_root, native->settings->id);
	autofree char *config = path_join(directory, "config.json"), *filter = path_join(directory, "seccomp.bpf");
	autofree char *status = path_join(directory, "status");
	autoclear(Buffer) program = {0}, text = {0};

	TRY(dir_make_all(AT_FDCWD, directory, 0700));
	unlink(config); /* an earlier run's, of which something was left */
	if (link("config.json", config) < 0)
		return error_errno(errno, "could not record the container's configuration");
	TRY(native_decode_filter(&program, native));
	if (program.length)
		TRY(file_replace(AT_FDCWD, filter, program.data, program.length, 0600));
	buffer_printf(&text, "{\"pid\":%d,\"process-start-time\":%llu,%s", (int)pid, read_start_time(pid),
		native->record ? native->record : "}");
	return file_replace(AT_FDCWD, status, text.data, text.length, 0600);
}

/* Until it executes its program, which closes the other end, or fails. */
static fallible hear_report(int fd)
{
	char reason[REASON_MAX];
	ssize_t count;

	do
		count = read(fd, reason, sizeof(reason) - 1);
	while (count < 0 && errno == EINTR);
	if (count < 0)
		return error_errno(errno, "could not hear from the container's process");
	reason[count] = '\0';
	return count ? error_new(ERROR_INVALID, "%s", reason) : NULL;
}

static fallible write_pid(pid_t pid)
{
	char text[32];

	snprintf(text, sizeof(text), "%d", (int)pid);
	return file_replace(AT_FDCWD, "pid", text, strlen(text), 0600);
}

static fallible see_through(const Native *native, pid_t pid, int hear_fd)
{
	if (!native->settings->exec)
		TRY(write_record(native, pid));
	TRY(hear_report(hear_fd));
	return write_pid(pid);
}

static fallible start(Native *native, const char *plan, size_t length)
{
	autofd hear = -1;
	int ends[2];
	pid_t pid = 0;

	TRY(native_take_steps(native, plan, length, false));
	if (pipe2(ends, O_CLOEXEC) < 0)
		return error_errno(errno, "could not make a pipe");
	hear = ends[0];
	native->report = ends[1];
	TRY(split(&pid, native));
	if (!pid)
		inside(native, plan, length);
	close_fd(&native->report);
	Error *error = see_through(native, pid, hear);
	if (error)
		kill(pid, SIGKILL); /* what is not recorded may not run */
	return error;
}

static fallible start_planned(const ShimSettings *settings, const ProgramStreams *streams)
{
	static Native native; /* large, and in a process of its own: never cleaned up */
	char *plan;
	size_t length;

	native = (Native){
		.settings = settings, .streams = *streams, .report = -1, .born_in = -1, .target = -1, .null = -1};
	TRY(file_read(&plan, &length, AT_FDCWD, plan_name, PLAN_MAX));
	return start(&native, plan, length);
}

static _Noreturn void stand_for_runtime(const ShimSettings *settings, const ProgramStreams *streams)
{
	launch_unprotect();
	launch_forget_earlier();
	Error *error = start_planned(settings, streams);

	if (!error)
		_exit(0);
	Error *other = file_replace(AT_FDCWD, "runtime.log", error_message(error), strlen(error_message(error)), 0600);
	_exit(other ? 2 : 1);
}

Error *native_run(pid_t *ret, const ShimSettings *settings, const ProgramStreams *streams)
{
	pid_t pid = fork();

	if (pid < 0)
		return error_errno(errno, "could not fork");
	if (!pid)
		stand_for_runtime(settings, streams);
	*ret = pid;
	return NULL;
}

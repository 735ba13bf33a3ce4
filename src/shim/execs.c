// SPDX-License-Identifier: Apache-2.0
#include "shim/execs.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "shim/launch.h"

enum { COULD_NOT_START = -1, SIGNALLED = 128 };

#define TIMEOUT_MS_MAX INT64_C(1000000000000) /* more is none */

typedef struct ExecFiles {
	char log[RUNTIME_NAME_MAX], pid[RUNTIME_NAME_MAX];
} ExecFiles;

static ExecFiles files_of(const Execs *execs, const Exec *exec)
{
	ExecFiles files;
	int slot = (int)(exec - execs->table);

	snprintf(files.log, sizeof(files.log), "exec-%d.log", slot);
	snprintf(files.pid, sizeof(files.pid), "exec-%d.pid", slot);
	return files;
}

void execs_init(Execs *execs, char *memory)
{
	for (int i = 0; i < EXECS_MAX; i++)
		execs->table[i] = (Exec){.place = -1, .output_fd = -1, .output = memory + i * SHIM_EXEC_OUTPUT_MAX};
}

bool execs_are_idle(const Execs *execs)
{
	for (int i = 0; i < EXECS_MAX; i++)
		if (execs->table[i].is_used)
			return false;
	return true;
}

/* ---- ending ---- */

static void exec_release(Exec *exec)
{
	close_fd(&exec->output_fd);
	*exec = (Exec){.place = -1, .output_fd = -1, .output = exec->output};
}

static void exec_done(Exec *exec, int exit_code)
{
	exec_read(exec);
	close_fd(&exec->output_fd);
	exec->exit.exit_code = exit_code;
	exec->is_done = true;
	exec->deadline_ns = 0;
	if (exec->place < 0)
		exec_release(exec);
}

static void exec_failed(Exec *exec, const char *reason)
{
	exec->length = strnlen(reason, SHIM_EXEC_OUTPUT_MAX);
	memcpy(exec->output, reason, exec->length);
	close_fd(&exec->output_fd);
	exec_done(exec, COULD_NOT_START);
}

/* ---- starting ---- */

static Exec *free_slot(Execs *execs)
{
	for (int i = 0; i < EXECS_MAX; i++)
		if (!execs->table[i].is_used)
			return &execs->table[i];
	return NULL;
}

static fallible exec_launch(Exec *exec, const ShimSettings *settings, const ExecFiles *files, const char *process_file)
{
	int ends[2];

	if (pipe2(ends, O_CLOEXEC) < 0)
		return error_errno(errno, "could not make a pipe");
	autofd write_end = ends[1];
	exec->output_fd = ends[0];
	fcntl(exec->output_fd, F_SETFL, O_NONBLOCK);
	LaunchExec launch = {process_file, files->pid, files->log, {-1, write_end, write_end}, false};
	return launch_exec(&exec->runtime, settings, &launch);
}

static bool is_request(const void *payload, size_t length)
{
	return length > sizeof(ShimExec) && !((const char *)payload)[length - 1];
}

bool execs_refuse(Connection *connection, const void *payload, size_t length, const char *reason)
{
	ShimExec request;
	ShimExecExit exit = {.exit_code = COULD_NOT_START};
	Packet packet = {SHIM_EXEC_EXITED, &exit, sizeof(exit), reason, strlen(reason)};

	if (!is_request(payload, length))
		return false;
	memcpy(&request, payload, sizeof(request));
	exit.exec = request.exec;
	return connection_send(connection, &packet) == SENT;
}

static void exec_begin(
	Execs *execs, Exec *exec, const ShimSettings *settings, const ShimExec *request, const char *path)
{
	ExecFiles files = files_of(execs, exec);

	exec->is_used = true;
	exec->exit.exec = request->exec;
	if (request->timeout_ms > 0 && request->timeout_ms < TIMEOUT_MS_MAX)
		exec->deadline_ns = clock_monotonic_ns() + request->timeout_ms * NANOS_PER_MILLI;
	Error *error = exec_launch(exec, settings, &files, path);
	if (error)
		exec_failed(exec, error_message(error));
	error_free(error); /* answered */
}

bool execs_start(Execs *execs, const ShimSettings *settings, Connections *connections, int place, const void *payload,
	size_t length)
{
	ShimExec request;
	Exec *exec = free_slot(execs);

	if (!exec)
		return execs_refuse(&connections->table[place], payload, length,
			"too many commands run in the container at a time");
	if (!is_request(payload, length))
		return false;
	memcpy(&request, payload, sizeof(request));
	exec->place = place;
	exec_begin(execs, exec, settings, &request, (const char *)payload + sizeof(request));
	return true;
}

/* ---- running ---- */

void exec_read(Exec *exec)
{
	char surplus[512];

	while (exec->output_fd >= 0) {
		size_t room = SHIM_EXEC_OUTPUT_MAX - exec->length;
		ssize_t count = read(
			exec->output_fd, room ? exec->output + exec->length : surplus, room ? room : sizeof(surplus));
		if (count < 0)
			return;
		if (!count)
			close_fd(&exec->output_fd);
		else if (room)
			exec->length += (size_t)count;
	}
}

static void runtime_ended(Execs *execs, Exec *exec, int status)
{
	ExecFiles files = files_of(execs, exec);
	char reason[RUNTIME_REASON_MAX] = "the runtime ended without a reason";

	exec->runtime = 0;
	exec->pid = launch_read_pid(files.pid);
	if (exec->exit.timed_out && exec->pid > 0)
		kill(exec->pid, SIGKILL);
	if (WIFEXITED(status) && !WEXITSTATUS(status) && exec->pid > 0)
		return;
	exec->pid = 0;
	launch_read_reason(reason, files.log);
	exec_failed(exec, exec->exit.timed_out ? "the command could not be started in time" : reason);
}

static void exec_reap(Execs *execs, Exec *exec)
{
	int status;

	if (exec->runtime > 0 && waitpid(exec->runtime, &status, WNOHANG) == exec->runtime)
		runtime_ended(execs, exec, status);
	if (exec->pid > 0 && waitpid(exec->pid, &status, WNOHANG) == exec->pid) {
		exec->pid = 0;
		exec_done(exec, WIFEXITED(status) ? WEXITSTATUS(status) : SIGNALLED + WTERMSIG(status));
	}
}

bool execs_have(const Execs *execs, pid_t pid)
{
	for (int i = 0; i < EXECS_MAX; i++)
		if (execs->table[i].pid == pid || execs->table[i].runtime == pid)
			return true;
	return false;
}

bool execs_reap(Execs *execs)
{
	bool is_starting = false;

	for (int i = 0; i < EXECS_MAX; i++) {
		exec_reap(execs, &execs->table[i]);
		is_starting |= execs->table[i].runtime > 0;
	}
	return is_starting;
}

int64_t execs_next_deadline(const Execs *execs)
{
	int64_t next = INT64_MAX;

	for (int i = 0; i < EXECS_MAX; i++)
		if (execs->table[i].deadline_ns && execs->table[i].deadline_ns < next)
			next = execs->table[i].deadline_ns;
	return next;
}

/* The answer follows when the killed process has been reaped. */
void execs_check_deadlines(Execs *execs, int64_t now_ns)
{
	for (int i = 0; i < EXECS_MAX; i++) {
		Exec *exec = &execs->table[i];
		if (!exec->deadline_ns || exec->deadline_ns > now_ns)
			continue;
		exec->deadline_ns = 0;
		exec->exit.timed_out = true;
		kill(exec->pid > 0 ? exec->pid : exec->runtime, SIGKILL);
	}
}

/* ---- answers ---- */

void execs_forget_connection(Execs *execs, int place)
{
	for (int i = 0; i < EXECS_MAX; i++) {
		Exec *exec = &execs->table[i];
		if (!exec->is_used || exec->place != place)
			continue;
		exec->place = -1;
		if (exec->is_done)
			exec_release(exec);
	}
}

/* The processes are killed; whoever reaps strangers reaps them. */
void execs_end(Execs *execs)
{
	for (int i = 0; i < EXECS_MAX; i++) {
		Exec *exec = &execs->table[i];
		if (!exec->is_used || exec->is_done)
			continue;
		if (exec->runtime > 0 || exec->pid > 0)
			kill(exec->runtime > 0 ? exec->runtime : exec->pid, SIGKILL);
		exec->runtime = exec->pid = 0;
		exec_failed(exec, "the container ended");
	}
}

SendResult execs_send(Execs *execs, Connection *connection, int place)
{
	for (int i = 0; i < EXECS_MAX; i++) {
		Exec *exec = &execs->table[i];
		if (!exec->is_done || exec->place != place)
			continue;
		Packet packet = {SHIM_EXEC_EXITED, &exec->exit, sizeof(exec->exit), exec->output, exec->length};
		SendResult result = connection_send(connection, &packet);
		if (result != SENT)
			return result;
		exec_release(exec);
	}
	return SENT;
}

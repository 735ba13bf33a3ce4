// SPDX-License-Identifier: Apache-2.0
/* The run of a command in a container: its shim is spawned, and tells how it goes. */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fault.h"
#include "base/files.h"
#include "base/log.h"
#include "base/member.h"
#include "base/memory.h"
#include "engine/admission.h"
#include "engine/exec_internal.h"

/* ---- followers ---- */

void exec_follow_end(Exec *exec)
{
	if (!exec->is_followed)
		return;
	exec->is_followed = false;
	exec->follower = shim_free(exec->follower);
	exec->follow_handlers.ended(exec->follow_arg);
}

static void follower_output(void *arg, int stream, const char *data, size_t length)
{
	Exec *exec = arg;

	if (length)
		exec->follow_handlers.output(exec->follow_arg, stream, data, length);
}

static void follower_gone(void *arg)
{
	exec_follow_end(arg);
}

static void follower_exited(void *arg, const ShimStatus *status)
{
	(void)status;
	exec_follow_end(arg);
}

static const ShimHandlers follower_handlers = {
	.output = follower_output,
	.exited = follower_exited,
	.gone = follower_gone,
};

void exec_follow(Exec *exec, const AttachHandlers *handlers, void *arg)
{
	exec->is_followed = true;
	exec->follow_handlers = *handlers;
	exec->follow_arg = arg;
}

int exec_follow_descriptor(const Exec *exec)
{
	return exec->follower ? shim_descriptor(exec->follower) : -1;
}

fallible exec_follow_again(Exec *exec, int fd, const AttachHandlers *handlers, void *arg)
{
	TRY(shim_go_on(&exec->follower, exec->engine->loop, fd, &follower_handlers, exec));
	exec_follow(exec, handlers, arg);
	return NULL;
}

void exec_follow_pause(Exec *exec, bool paused)
{
	exec->is_paused = paused;
	if (exec->follower)
		shim_pause(exec->follower, paused);
}

void exec_unfollow(Exec *exec, const void *arg)
{
	if (exec->follow_arg != arg)
		return;
	exec->is_followed = false;
	exec->follower = shim_free(exec->follower);
}

static fallible connect_follower(Exec *exec)
{
	Loop *loop = exec->engine->loop;

	if (!exec->is_followed)
		return NULL;
	TRY(shim_connect(&exec->follower, loop, exec->directory, &follower_handlers, exec));
	shim_pause(exec->follower, exec->is_paused);
	return shim_attach(exec->follower, exec->spec.attach_stdout, exec->spec.attach_stderr);
}

/* ---- how it ends ---- */

static void move_to_end(Exec *exec, int exit_code)
{
	exec->state = EXEC_ENDED;
	exec->exit_code = exit_code;
	exec->ended_ns = clock_monotonic_ns();
	execs_forget_later(exec->engine);
}

static void exec_ended(Exec *exec, int exit_code)
{
	char code[16];

	move_to_end(exec, exit_code);
	snprintf(code, sizeof(code), "%d", exit_code);
	completions_finish(&exec->starts, NULL);
	exec_event(exec, "exec_die", "exitCode", code);
}

static void exec_failed(Exec *exec, Error *take_error)
{
	move_to_end(exec, EXIT_EXEC_FAILED);
	completions_finish(&exec->starts, take_error);
	error_free(take_error); /* each had a copy */
	exec_follow_end(exec);
}

/* In the words that Docker has from runc: clients know them. */
static fallible start_failure(const Exec *exec, const ShimStatus *status, const char *reason)
{
	static const char before[] = "OCI runtime exec failed: exec failed: unable to start container process";
	const char *command = exec->spec.command.items[0];

	if (status->not_found == EXIT_NOT_FOUND && strchr(command, '/'))
		return error_new(ERROR_INVALID, "%s: exec: \"%s\": stat %s: no such file or directory: unknown", before,
			command, command);
	if (status->not_found == EXIT_NOT_FOUND)
		return error_new(ERROR_INVALID, "%s: exec: \"%s\": executable file not found in $PATH: unknown", before,
			command);
	if (status->not_found == EXIT_NOT_EXECUTABLE)
		return error_new(ERROR_INVALID, "%s: exec: \"%s\": permission denied: unknown", before, command);
	return error_new(ERROR_INTERNAL, "%s: %s: unknown", before, reason);
}

/* ---- what the shim says ---- */

/* It has been read. What stays goes with the directory. */
static void drop_file(const Exec *exec, const char *name)
{
	autofree char *path = path_join(exec->directory, name);

	error_free(file_unlink(AT_FDCWD, path));
}

static void shim_says_started(void *arg, const ShimStatus *status)
{
	Exec *exec = arg;

	if (exec->state != EXEC_STARTING)
		return;
	exec->state = EXEC_RUNNING;
	exec->pid = status->pid;
	if (exec->is_size_due)
		error_free(exec_resize(
			exec, (int)exec->spec.console_rows, (int)exec->spec.console_columns)); /* it may have ended */
	drop_file(exec, exec_process_name);
	drop_file(exec, exec_plan_name);
	completions_finish(&exec->starts, NULL);
}

static void shim_says_failed(void *arg, const ShimStatus *status, const char *reason)
{
	Exec *exec = arg;

	if (exec->state == EXEC_STARTING)
		exec_failed(exec, start_failure(exec, status, reason));
}

static void shim_says_exited(void *arg, const ShimStatus *status)
{
	Exec *exec = arg;

	if (exec->state == EXEC_ENDED)
		return;
	exec->pid = status->pid;
	exec_ended(exec, status->exit_code);
}

static void shim_says_status(void *arg, const ShimStatus *status)
{
	if (status->state == SHIM_RUNNING)
		shim_says_started(arg, status);
	else if (status->state == SHIM_ENDED)
		shim_says_exited(arg, status);
	else if (status->state == SHIM_START_FAILED)
		shim_says_failed(arg, status, status->error);
}

/* Nobody holds the output of what has lost its shim, and nobody would hear its end. */
static void kill_orphan(const Exec *exec)
{
	autofree char *process = string_printf("/proc/%d", exec->pid);
	autofd pidfd = exec->pid > 0 ? (int)syscall(SYS_pidfd_open, exec->pid, 0) : -1;

	if (pidfd >= 0 && member_of(exec->container->cgroup, AT_FDCWD, process))
		syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, NULL, 0); /* one that has ended is as good */
}

/* One that was found at the start of kedged, and has not said yet how it goes, was started by another. */
static bool is_our_start(const Exec *exec)
{
	return exec->state == EXEC_STARTING && !list_empty(&exec->starts);
}

static void exec_lost(Exec *exec)
{
	log_error(
		"container \"%s\": the kedge-shim of command %.12s was killed", exec->container->record.name, exec->id);
	kill_orphan(exec);
	if (is_our_start(exec))
		exec_failed(exec, error_new(ERROR_INTERNAL, "kedge-shim ended unexpectedly"));
	else
		exec_ended(exec, EXIT_SHIM_LOST);
}

/* One that was about to leave when we came has not told us any more. */
static void gone_while_live(Exec *exec)
{
	ShimStatus status;
	bool found = false;
	Error *error = shim_read_exit(&status, &found, exec->directory);

	if (error)
		error_log(error, "command %.12s: its exit file", exec->id);
	if (found)
		shim_says_status(exec, &status);
	else
		exec_lost(exec);
}

static void shim_is_gone(void *arg)
{
	Exec *exec = arg;

	exec->shim = shim_free(exec->shim);
	if (exec->state != EXEC_ENDED)
		gone_while_live(exec);
}

static void shim_says_detached(void *arg)
{
	exec_event(arg, "exec_detach", NULL, NULL);
}

const ShimHandlers exec_shim_handlers = {
	.status = shim_says_status,
	.started = shim_says_started,
	.failed = shim_says_failed,
	.exited = shim_says_exited,
	.detached = shim_says_detached,
	.gone = shim_is_gone,
};

/* ---- the start ---- */

/* In front of the shim: the client is there before the first byte is. */
static fallible hand_over(Exec *exec, const ExecClient *client)
{
	static const ShimHandlers nobody = {0};
	const ExecSpec *spec = &exec->spec;
	autoptr(Shim) shim = NULL;
	Keys keys = {.count = 0};

	if (!client)
		return NULL;
	if (spec->tty)
		TRY(keys_parse(&keys, spec->detach_keys));
	const ShimClient head = {
		.wants = (spec->attach_stdin ? SHIM_WANTS_STDIN : 0) | (spec->attach_stdout ? SHIM_WANTS_STDOUT : 0) |
			 (spec->attach_stderr ? SHIM_WANTS_STDERR : 0),
		.is_framed = client->is_framed,
		.ends_input = !spec->tty,
		.key_count = (uint32_t)keys.count,
		.early_length = (uint32_t)client->early_length,
	};
	if (client->early_length > SHIM_EARLY_MAX)
		return error_new(ERROR_TOO_LARGE, "too much input before the answer");
	if (!head.wants)
		return NULL;
	TRY(shim_connect(&shim, exec->engine->loop, exec->directory, &nobody, NULL));
	return shim_client(shim, &head, keys.bytes, client->early, client->fd);
}

/* A runtime need not know of a network that it has not made: runc would leave the command in ours. */
static fallible open_network(int *ret_fd, const Container *container)
{
	autofree char *path = string_printf("/proc/%lld/ns/net", (long long)container->record.pid);

	return file_open(ret_fd, AT_FDCWD, path, O_RDONLY, 0);
}

static fallible spawn(Exec *exec, const ExecClient *client, bool is_planned)
{
	Container *container = exec->container;
	Engine *engine = container->engine;
	const Runtime *runtime = container_runtime(container);
	autofree char *program = engine_program(engine, "kedge-shim");
	autofree char *runtime_root = path_join(engine->config.run_dir, "runtime");
	autofd listen_fd = -1, network = -1;
	ShimOptions options = {
		.program = program,
		.id = container->id,
		.bundle = exec->directory,
		.state = exec->directory,
		.exec = exec_process_name,
		.runtime = runtime->path,
		.runtime_options = &runtime->options,
		.runtime_root = runtime_root,
		.log_driver = "none",
		.is_crun = runtime->is_crun,
		.is_planned = is_planned,
		.has_stdin = exec->spec.attach_stdin,
		.has_terminal = exec->spec.tty,
		.start_timeout_ms = engine->config.start_timeout_ns / NANOS_PER_MILLI,
	};

	if (!is_planned)
		TRY(open_network(&network, container));
	options.netns_fd = network;
	TRY(container_seal_programs(engine, runtime, &options));
	TRY(shim_listen(&listen_fd, exec->directory));
	options.listen_fd = listen_fd;
	TRY(connect_follower(exec));
	TRY(hand_over(exec, client));
	return shim_spawn(&exec->shim, engine->loop, &options, &exec_shim_handlers, exec);
}

static fallible launch(Exec *exec, const ExecStart *start)
{
	bool is_planned = false;

	if (!container_runtime(exec->container))
		return error_new(ERROR_INVALID, "unknown runtime \"%s\"", exec->container->record.spec.runtime);
	TRY(exec_process_write(&is_planned, exec));
	TRY(fault("engine.exec.spawn"));
	return spawn(exec, start->client, is_planned);
}

static void take_size(ExecSpec *spec, const ExecStart *start)
{
	if (!start->console_rows || !start->console_columns)
		return;
	spec->console_rows = start->console_rows;
	spec->console_columns = start->console_columns;
}

fallible exec_start(Exec *exec, const ExecStart *start, ContainerDone *done, void *arg)
{
	if (exec->state == EXEC_ENDED)
		return error_new(ERROR_CONFLICT, "Error: Exec command %s has already run", exec->id);
	if (exec->state != EXEC_CREATED)
		return error_new(ERROR_CONFLICT, "Error: Exec command %s is already running", exec->id);
	TRY(exec_check_container(exec));
	TRY(admission_exec(exec->container, exec->spec.privileged));
	exec->state = EXEC_STARTING;
	exec_event(exec, "exec_start", NULL, NULL);
	take_size(&exec->spec, start);
	Error *error = launch(exec, start);
	if (error) {
		move_to_end(exec, EXIT_EXEC_FAILED);
		exec_drop_files(exec);
		exec_unfollow(exec, exec->follow_arg);
		return error;
	}
	completion_add(&exec->starts, done, arg);
	return NULL;
}

fallible exec_resize(Exec *exec, int rows, int columns)
{
	const ShimResize size = {.rows = (uint16_t)rows, .columns = (uint16_t)columns};

	TRY(exec_check_container(exec));
	if (exec->state == EXEC_ENDED)
		return error_new(ERROR_NOT_FOUND, "no such exec");
	if (exec->state == EXEC_CREATED)
		return error_new(ERROR_CONFLICT, "Exec command %s has not been started", exec->id);
	exec->spec.console_rows = rows;
	exec->spec.console_columns = columns;
	if (exec->state == EXEC_STARTING)
		exec->is_size_due = true; /* there is no terminal yet */
	else if (exec->shim && exec->spec.tty)
		TRY(shim_resize(exec->shim, &size));
	return NULL;
}

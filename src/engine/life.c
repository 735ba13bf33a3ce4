// SPDX-License-Identifier: Apache-2.0
/* A run, as its shim tells it: started, failed, exited, gone. Each becomes a transition, a record, events, and answers
 * to whoever waits. */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/files.h"
#include "base/log.h"
#include "engine/network_internal.h"
#include "runtime/cgroup_limits.h"

void container_set_error(Container *container, const char *text)
{
	string_replace(&container->record.error, text);
}

void container_signal(Container *container, int signal)
{
	Error *error = container->shim ? shim_signal(container->shim, signal) : NULL;

	if (error)
		error_log(error, "container \"%s\": could not send signal %d", container->record.name, signal);
}

void container_count_unknown_start(Container *container)
{
	container->record.run++;
	if (container->record.state == CONTAINER_RESTARTING)
		container->record.restart_count++;
}

/* kedged died between spawning this shim and hearing from it: the start goes on, unless somebody has asked for the
 * removal meanwhile. */
static void adopt_unknown_start(Container *container)
{
	if (container->state == CONTAINER_REMOVING) {
		container_signal(container, SIGKILL);
		return;
	}
	container_retry_cancel(container);
	container_count_unknown_start(container);
	container->undecided = false;
	container->exit_seen = false;
	container->launch_when_gone = false;
	container->state = CONTAINER_STARTING;
}

static void shim_says_status(void *arg, const ShimStatus *status)
{
	Container *container = arg;

	if (container->undecided && status->run == (uint64_t)container->record.run + 1)
		adopt_unknown_start(container);
	if (status->run != (uint64_t)container->record.run)
		return;
	container->shim_listens = true;
	container->started_monotonic_ns = status->started_monotonic_ns;
	if (status->state == SHIM_RUNNING && container->state == CONTAINER_STARTING)
		container_shim_handlers.started(container, status);
	if (status->state == SHIM_RUNNING && status->oom_killed && !container->record.oom_killed)
		container_shim_handlers.oom(container, status);
	if (status->state == SHIM_ENDED && !container->exit_seen)
		container_handle_exit(container, status);
	else if (status->state == SHIM_START_FAILED && container->state == CONTAINER_STARTING)
		container_shim_handlers.failed(container, status, status->error);
}

static void set_weights(Container *container)
{
	Error *error =
		cgroup_limits_set_weights(container->engine->cgroups, container->cgroup, &container->record.spec);

	if (error)
		error_log(error, "container \"%s\": no weight for its block I/O", container->record.name);
}

static void note_started(Container *container, const ShimStatus *status)
{
	container_move(container, CONTAINER_RUNNING);
	container->record.pid = status->pid;
	container->record.started_ns = status->started_wall_ns;
	container->started_monotonic_ns = status->started_monotonic_ns;
	container->record.exit_code = 0;
	container->record.oom_killed = false;
	container_set_error(container, NULL);
}

/* After the record was committed, or could not be. */
static void tell_started(Container *container, Error *take_error)
{
	container->start_is_untold = false;
	volumes_mounted(container);
	endpoints_tell(container, "connect");
	endpoints_tell_linked(container);
	container_event(container, "start", NULL, NULL);
	completions_finish(&container->starts, take_error);
	if (take_error)
		error_log(take_error, "container \"%s\": started, but its record was not written",
			container->record.name);
}

/* What was asked for while it started. */
static void take_orders(Container *container)
{
	if (container->kill_timer)
		container_move(container, CONTAINER_STOPPING);
	else
		container_stop_resume(container);
	if (container->pending_signal)
		container_signal(container, container->pending_signal);
	container->pending_signal = 0;
}

/* Where the end is right behind it, one commit is for both (container_handle_exit). */
static void shim_says_started(void *arg, const ShimStatus *status)
{
	Container *container = arg;
	Error *error;

	if (container->state != CONTAINER_STARTING || shim_says_end_next(container->shim))
		return;
	note_started(container, status);
	set_weights(container);
	error = container_save(container);
	health_begin(container);
	if (error && !list_empty(&container->starts))
		container->pending_signal =
			SIGKILL; /* who asked is told that it failed; what a policy started goes on */
	tell_started(container, error);
	take_orders(container);
}

/* Clients tell a command that is not there (127) and one that cannot be run (126) from other failures by these words of
 * Docker's. */
static fallible start_failure(const Container *container, const ShimStatus *status, const char *reason)
{
	const ContainerSpec *spec = &container->record.spec;
	const char *command = spec->entrypoint.count ? spec->entrypoint.items[0] : spec->command.items[0];
	const char *name = container->record.name;

	if (status->not_found == EXIT_NOT_FOUND)
		return error_new(ERROR_INVALID,
			"could not start container \"%s\": exec: \"%s\": executable file not found in $PATH", name,
			command);
	if (status->not_found == EXIT_NOT_EXECUTABLE)
		return error_new(ERROR_INVALID,
			"could not start container \"%s\": exec: \"%s\": permission denied (%s)", name, command,
			reason);
	return error_new(ERROR_INTERNAL, "could not start container \"%s\": %s", name, reason);
}

static void shim_says_failed(void *arg, const ShimStatus *status, const char *reason)
{
	Container *container = arg;
	int code = status->not_found ? (int)status->not_found : EXIT_START_FAILED;

	if (container->state != CONTAINER_STARTING && container->state != CONTAINER_STOPPING)
		return;
	container->exit_seen = true;
	container_launch_failed(container, code, start_failure(container, status, reason));
}

static void exit_events(Container *container)
{
	autoclear(StringMap) extra = {0};
	char code[16], seconds[24];

	if (container->oom_is_news)
		container_event(container, "oom", NULL, NULL);
	snprintf(code, sizeof(code), "%d", (int)container->record.exit_code);
	snprintf(seconds, sizeof(seconds), "%lld", (long long)(container->lived_ns / NANOS_PER_SECOND));
	map_set(&extra, "exitCode", code);
	map_set(&extra, "execDuration", seconds);
	container_event_with(container, "die", &extra);
}

/* Told at once, as the container may live on. */
static void shim_says_oom(void *arg, const ShimStatus *status)
{
	Container *container = arg;

	if (status->run != (uint64_t)container->record.run || container->exit_seen || !container_is_live(container))
		return;
	container->record.oom_killed = true;
	container_save_or_log(container);
	container_event(container, "oom", NULL, NULL);
}

/*
 * A container that calls reboot(2) in a pid namespace of its own has its init killed by SIGHUP (restart) or SIGINT
 * (halt, power off); nothing else kills an init by these. Source: reboot(2), "Behavior inside PID namespaces".
 */
static void note_reboot(Container *container, const ShimStatus *status)
{
	const char *mode = container->record.spec.pid_mode;
	bool own_namespace = string_empty(mode) || string_equal(mode, "private");

	container->rebooted = own_namespace && status->exit_signal == SIGHUP;
	if (!own_namespace || status->exit_signal != SIGINT || container->record.user_stopped)
		return;
	container->record.user_stopped = true;
	string_replace(&container->record.stopped_for, "it has switched itself off");
}

/* Everything that follows an end, however it came about. The record is committed before anybody is told. */
static void container_ended(Container *container, ContainerState state, int64_t lived_ns)
{
	bool stopped = container->state == CONTAINER_STOPPING && container->record.user_stopped;
	Error *error;

	container->exit_seen = true;
	container->lived_ns = lived_ns;
	container->record.pid = 0;
	container->kill_timer = source_free(container->kill_timer);
	container->pending_signal = 0;
	endpoints_detach(container);
	health_end(container);
	container_pause_ends(container);
	container_execs_end(container);
	container_move(container, state);
	container_restart_if_wanted(container, lived_ns);
	error = container_save(container);
	if (container->start_is_untold)
		tell_started(container, error);
	else if (error)
		error_log(error, "container \"%s\"", container->record.name);
	exit_events(container);
	endpoints_tell(container, "disconnect");
	volumes_unmounted(container);
	if (stopped)
		container_event(container, "stop", NULL, NULL);
	container_waits_exit(container);
	container_remove_if_due(container);
}

void container_handle_exit(Container *container, const ShimStatus *status)
{
	int64_t lived = status->finished_monotonic_ns - status->started_monotonic_ns;

	if (container->state == CONTAINER_STARTING) { /* it was over before we heard that it had begun */
		note_started(container, status);
		health_begin(container);
		container->start_is_untold = true;
		take_orders(container);
	}
	if (container->exit_seen || !container_is_live(container))
		return;
	container->record.exit_code = status->exit_code;
	container->oom_is_news = status->oom_killed && !container->record.oom_killed;
	container->record.oom_killed = status->oom_killed;
	note_reboot(container, status);
	container->record.finished_ns = status->finished_wall_ns;
	container_ended(container, CONTAINER_EXITED, lived);
	if (container->shim)
		error_free(shim_forget(container->shim)); /* it may have ended by itself */
}

static void shim_says_exited(void *arg, const ShimStatus *status)
{
	Container *container = arg;

	if (status->run == (uint64_t)container->record.run)
		container_handle_exit(container, status);
}

void container_handle_exit_file(Container *container, const ShimStatus *status)
{
	if (status->state == SHIM_START_FAILED)
		shim_says_failed(container, status, status->error);
	else
		container_handle_exit(container, status);
}

/* Without its shim a container has no parent that keeps its output and status: it is ended, and said so. */
void container_shim_lost(Container *container)
{
	Error *error = cgroup_kill(container->engine->cgroups, container->cgroup);

	if (error)
		error_log(error, "container \"%s\"", container->record.name);
	if (container->state == CONTAINER_STARTING) {
		container_launch_failed(container, EXIT_START_FAILED,
			error_new(ERROR_INTERNAL, "could not start container \"%s\": kedge-shim ended unexpectedly",
				container->record.name));
		return;
	}
	container->record.exit_code = EXIT_SHIM_LOST;
	container->oom_is_news = container->rebooted = false;
	container->record.finished_ns = clock_wall_ns();
	container_set_error(container, "kedge-shim was killed");
	container_ended(container, CONTAINER_DEAD, clock_monotonic_ns() - container->started_monotonic_ns);
}

static void shim_gone_while_live(Container *container)
{
	ShimStatus status;
	bool found = false;
	Error *error = shim_read_exit(&status, &found, container->state_directory);

	if (error)
		error_log(error, "container \"%s\": its exit file", container->record.name);
	if (found && status.run == (uint64_t)container->record.run)
		container_handle_exit_file(container, &status);
	else
		container_shim_lost(container);
}

/* Nothing of the last run is left: what has waited for that goes on. */
void container_run_cleaned(Container *container)
{
	container_ref(container);
	if (container->state == CONTAINER_REMOVING) {
		container_remove_now(container);
	} else if (container->undecided && container_restore_unknown_exit(container)) {
		log_debug("container \"%s\": a start that kedged died in has ended", container->record.name);
	} else if (container->launch_when_gone) {
		container->launch_when_gone = false;
		container_launch_later(container);
	} else if (container->undecided) {
		container_restore_without_shim(container);
	}
	container_unref(container);
}

static void shim_is_gone(void *arg)
{
	Container *container = arg;

	container->shim = shim_free(container->shim);
	container->shim_listens = false;
	container_ref(container);
	container_clean_run(
		container); /* before anybody is told: who hears of the end may start the next run at once */
	if (!container->exit_seen) {
		shim_gone_while_live(container);
		container_attaches_end(container);
	} /* else those without a connection came after the end, and wait for the next run */
	if (!container->cleaning && !container->copies)
		container_run_cleaned(container);
	container_unref(container);
}

static void shim_says_exec_exited(void *arg, const ShimExecExit *exit, const char *output, size_t length)
{
	health_exec_exited(arg, exit, output, length);
}

static void shim_says_detached(void *arg)
{
	container_event(arg, "detach", NULL, NULL);
}

const ShimHandlers container_shim_handlers = {
	.detached = shim_says_detached,
	.status = shim_says_status,
	.started = shim_says_started,
	.failed = shim_says_failed,
	.oom = shim_says_oom,
	.exited = shim_says_exited,
	.exec_exited = shim_says_exec_exited,
	.gone = shim_is_gone,
};

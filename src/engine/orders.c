// SPDX-License-Identifier: Apache-2.0
/* What callers ask of a container: start, stop, restart, kill. */
#include <signal.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/process.h"
#include "engine/admission.h"
#include "engine/network_internal.h"

/* One that its policy starts may come before those that it is linked to; one that somebody starts may not. */
static fallible launch_asked(Container *container)
{
	Error *error = links_check(container);

	if (!error)
		return container_launch(container);
	container_set_error(container, error_message(error));
	container->record.exit_code = EXIT_START_FAILED;
	return error;
}

fallible container_start(Container *container, bool *ret_already, ContainerDone *done, void *arg)
{
	Error *error;

	*ret_already = false;
	if (container->engine->closing)
		return error_new(ERROR_UNAVAILABLE, "kedged is stopping");
	if (container->state == CONTAINER_REMOVING || container->remove_when_dead)
		return error_new(ERROR_CONFLICT, "container \"%s\" is being removed", container->record.name);
	if (container->state == CONTAINER_PAUSED)
		return error_new(ERROR_CONFLICT, "cannot start a paused container, try unpause instead");
	if (container_is_live(container)) {
		*ret_already = container->state != CONTAINER_STARTING;
		if (!*ret_already)
			completion_add(&container->starts, done, arg);
		return NULL;
	}
	container_retry_cancel(container);
	container->retry_delay_ns = 0;
	container->record.restart_count = 0;
	container->record.user_stopped = container->record.set_aside = false;
	string_replace(&container->record.stopped_for, NULL);
	container->record.start_again = false;
	error = launch_asked(container);
	if (!error) {
		completion_add(&container->starts, done, arg);
		return NULL;
	}
	container_save_or_log(container);
	container_waits_exit(container);
	container_attaches_end(container);
	container_remove_if_due(container);
	return error;
}

static int container_stop_signal(const Container *container)
{
	int signal = SIGTERM;

	if (container->record.spec.stop_signal && *container->record.spec.stop_signal)
		error_free(signal_parse(&signal, container->record.spec.stop_signal)); /* checked at create */
	return signal;
}

/* When KILL follows the stop signal, on the monotonic clock; 0: never. */
static int64_t stop_deadline_ns(const Container *container, int64_t timeout_s)
{
	int64_t own_s = container->record.spec.stop_timeout_s;
	int64_t timeout_ns = container->engine->config.stop_timeout_ns;

	if (timeout_s == STOP_TIMEOUT_OWN)
		timeout_s = own_s;
	else if (timeout_s < 0)
		return 0;
	if (timeout_s >= 0)
		timeout_ns = (timeout_s > INT32_MAX ? INT32_MAX : timeout_s) * NANOS_PER_SECOND;
	return clock_monotonic_ns() + timeout_ns;
}

static void signal_now_or_when_started(Container *container, int signal)
{
	char number[16];

	snprintf(number, sizeof(number), "%d", signal);
	container_event(container, "kill", "signal", number);
	if (container->launch_when_gone)
		container->pending_signal = container->pending_signal == SIGKILL ? SIGKILL : signal;
	else
		container_signal(container, signal); /* a shim that starts keeps it until there is a process */
}

static void kill_timer_fired(void *arg)
{
	signal_now_or_when_started(arg, SIGKILL);
}

typedef struct StopCall {
	ContainerDone *done;
	void *arg;
} StopCall;

static void stop_reached(void *arg, int exit_code)
{
	StopCall *call = arg;

	(void)exit_code;
	if (call->done)
		call->done(call->arg, NULL);
	free(call);
}

/* A container between two tries has nothing to stop but the next try. */
static fallible stop_retrying(Container *container, bool is_aside, ContainerDone *done, void *arg)
{
	container_retry_cancel(container);
	container->record.user_stopped = true;
	container->record.set_aside = is_aside;
	container_move(container, CONTAINER_EXITED);
	TRY(container_save(container));
	container_event(container, "stop", NULL, NULL);
	container_waits_exit(container);
	completion_later(container->engine, done, arg, NULL);
	return NULL;
}

static bool container_is_stopping(const Container *container)
{
	return container->record.stop_run && container->record.stop_run == container->record.run;
}

static fallible stop_arm(Container *container)
{
	int64_t deadline_ns = container->record.stop_deadline_ns, left_ns = deadline_ns - clock_monotonic_ns();

	if (!deadline_ns)
		left_ns = -1;
	else if (left_ns < 0)
		left_ns = 0;
	if (!container->kill_timer)
		TRY(loop_timer(&container->kill_timer, container->engine->loop, left_ns, kill_timer_fired, container));
	else
		source_rearm(container->kill_timer, left_ns);
	return NULL;
}

/* The record says what is asked for. */
static fallible stop_begin(Container *container, ContainerDone *done, void *arg)
{
	StopCall *call;

	TRY(stop_arm(container));
	call = mem_new(StopCall);
	*call = (StopCall){done, arg};
	container_wait(container, WAIT_NEXT_EXIT, stop_reached, call);
	signal_now_or_when_started(container, (int)container->record.stop_signal);
	container_thaw(container);
	if (container->state == CONTAINER_RUNNING)
		container_move(container, CONTAINER_STOPPING);
	return NULL;
}

static void stop_plan(Container *container, int64_t timeout_s, int signal)
{
	ContainerRecord *record = &container->record;

	record->stop_run = record->run + container->launch_when_gone;
	record->stop_signal = signal ? signal : container_stop_signal(container);
	record->stop_deadline_ns = stop_deadline_ns(container, timeout_s);
}

/* On record before the signal: a kedged that comes after us goes on with it. */
static void stop_note(Container *container, int64_t timeout_s, int signal, bool start_again)
{
	container->record.user_stopped = true;
	container->record.set_aside = false;
	container->record.start_again = start_again;
	stop_plan(container, timeout_s, signal);
	container_save_or_log(container);
}

static fallible stop(
	Container *container, int64_t timeout_s, int signal, bool *ret_already, ContainerDone *done, void *arg)
{
	*ret_already = false;
	if (container->state == CONTAINER_RESTARTING)
		return stop_retrying(container, false, done, arg);
	if (!container_is_live(container)) {
		*ret_already = true;
		return NULL;
	}
	stop_note(container, timeout_s, signal, false);
	return stop_begin(container, done, arg);
}

fallible container_stop(
	Container *container, int64_t timeout_s, int signal, bool *ret_already, ContainerDone *done, void *arg)
{
	string_replace(&container->record.stopped_for, NULL);
	return stop(container, timeout_s, signal, ret_already, done, arg);
}

fallible container_stop_for(
	Container *container, const char *why, int64_t timeout_s, bool *ret_already, ContainerDone *done, void *arg)
{
	string_replace(&container->record.stopped_for, why);
	return stop(container, timeout_s, 0, ret_already, done, arg);
}

fallible container_set_aside(Container *container, bool *ret_already, ContainerDone *done, void *arg)
{
	*ret_already = false;
	if (container->state == CONTAINER_RESTARTING)
		return stop_retrying(container, true, done, arg);
	if (!container_is_live(container)) {
		*ret_already = true;
		return NULL;
	}
	container->record.user_stopped = container->record.set_aside = true;
	container->record.start_again = false;
	stop_plan(container, STOP_TIMEOUT_OWN, 0);
	container_save_or_log(container);
	return stop_begin(container, done, arg);
}

fallible container_stop_unasked(Container *container, ContainerDone *done, void *arg)
{
	if (!container_is_stopping(container)) /* else it ends as somebody wished */
		stop_plan(container, STOP_TIMEOUT_OWN, 0);
	return stop_begin(container, done, arg);
}

typedef struct RestartCall {
	Container *container;
	ContainerDone *done;
	void *arg;
} RestartCall;

static void restart_started(void *arg, Error *take_error)
{
	RestartCall *call = arg;

	if (!take_error)
		container_event(call->container, "restart", NULL, NULL);
	if (call->done)
		call->done(call->arg, take_error);
	else
		error_free(take_error); /* it is in the record */
	container_unref(call->container);
	free(call);
}

static void restart_stopped(void *arg, Error *take_error)
{
	RestartCall *call = arg;
	bool already = false;
	Error *error = take_error ? take_error : container_start(call->container, &already, restart_started, call);

	if (error || already)
		restart_started(call, error);
}

static fallible restart_begin(RestartCall *call)
{
	Container *container = call->container;
	bool already = false;

	if (container_is_live(container))
		return stop_begin(container, restart_stopped, call);
	if (container->state == CONTAINER_RESTARTING)
		return stop_retrying(container, false, restart_stopped, call);
	return container_start(container, &already, restart_started, call);
}

static fallible restart_call(Container *container, ContainerDone *done, void *arg)
{
	RestartCall *call = mem_new(RestartCall);
	Error *error;

	*call = (RestartCall){container_ref(container), done, arg};
	error = restart_begin(call);
	if (error) {
		container_unref(container);
		free(call);
	}
	return error;
}

fallible container_restart(Container *container, int64_t timeout_s, int signal, ContainerDone *done, void *arg)
{
	TRY(admission_ask(container, "restart")); /* before it is stopped for nothing */
	if (container_is_live(container))
		stop_note(container, timeout_s, signal, true);
	else if (container->state == CONTAINER_RESTARTING)
		container->record.start_again = true;
	return restart_call(container, done, arg);
}

/* The signal is sent once more: whether it was sent before kedged died, nobody knows. */
void container_stop_resume(Container *container)
{
	Error *error;

	if (!container_is_stopping(container))
		return;
	log_info("container \"%s\": its %s goes on", container->record.name,
		container->record.start_again ? "restart" : "stop");
	error = container->record.start_again ? restart_call(container, NULL, NULL) : stop_begin(container, NULL, NULL);
	if (error)
		error_log(error, "container \"%s\"", container->record.name);
}

void container_start_resume(Container *container)
{
	Error *error;

	if (!container->record.start_again || container_is_live(container) || container->state == CONTAINER_REMOVING)
		return;
	error = restart_call(container, NULL, NULL);
	if (error)
		error_log(error, "container \"%s\"", container->record.name);
}

/* On record before the answer: a kedged that dies now must not restart what a person has ended. */
static fallible container_note_stop(Container *container)
{
	bool was_noted = container->record.user_stopped && !container->record.start_again;

	container->record.user_stopped = true;
	string_replace(&container->record.stopped_for, NULL);
	container->record.start_again = false;
	return was_noted ? NULL : container_save(container);
}

fallible container_kill(Container *container, int signal)
{
	bool ends = signal == SIGKILL || signal == container_stop_signal(container);

	if (!container_is_live(container))
		return error_new(ERROR_CONFLICT, "Container %s is not running", container->id);
	if (ends)
		TRY(container_note_stop(container));
	signal_now_or_when_started(container, signal);
	if (ends)
		container_thaw(container);
	return NULL;
}

void container_calls_end(Container *container)
{
	Error *error = error_new(ERROR_UNAVAILABLE, "kedged is stopping");

	completions_finish(&container->starts, error);
	completions_finish(&container->removals, error);
	completions_finish(&container->pauses, error);
	container_updates_end(container, error);
	container_waits_removed(container);
	error_free(error); /* each caller had its copy */
}

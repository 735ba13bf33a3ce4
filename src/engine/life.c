// SPDX-License-Identifier: Apache-2.0
/* Start, run, stop: what the shim says becomes state, what callers ask becomes signals. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/fault.h"
#include "base/files.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/process.h"
#include "engine/container_internal.h"
#include "runtime/bundle.h"
#include "store/snapshots.h"

enum { EXIT_NOT_EXECUTABLE = 126, EXIT_NOT_FOUND = 127, EXIT_START_FAILED = 128, EXIT_SHIM_LOST = 137 };

void container_set_error(Container *container, const char *text)
{
	string_replace(&container->record.error, text);
}

/* ---- launch ---- */

static const Runtime *container_runtime(const Container *container)
{
	return runtimes_get(container->engine->runtimes, container->record.spec.runtime);
}

static void launch_hostname(char ret[256], const Container *container)
{
	const ContainerSpec *spec = &container->record.spec;

	if (spec->hostname && *spec->hostname)
		snprintf(ret, 256, "%s", spec->hostname);
	else if (string_equal(spec->network_mode, "host"))
		gethostname(ret, 256);
	else
		snprintf(ret, 256, "%.12s", container->id);
}

static fallible launch_write_health(Container *container, const BundleInput *input)
{
	const StringList *test = &container->record.spec.health.test;
	autoclear(StringList) arguments = { 0 };
	autoclear(Buffer) text = { 0 };
	autofree char *path = path_join(container->bundle, "health.json");

	if (!test->count || string_equal(test->items[0], "NONE"))
		return NULL;
	if (string_equal(test->items[0], "CMD-SHELL")) {
		strings_add(&arguments, "/bin/sh");
		strings_add(&arguments, "-c");
	}
	for (size_t i = 1; i < test->count; i++)
		strings_add(&arguments, test->items[i]);
	TRY(bundle_write_process(&text, input, &arguments));
	return file_replace(AT_FDCWD, path, text.data, text.length, 0600);
}

/* The bundle lives in the run directory, on tmpfs: a start writes nothing to flash but its record. */
static fallible launch_write_bundle(Container *container, const Image *image)
{
	Engine *engine = container->engine;
	const Runtime *runtime = container_runtime(container);
	autoclear(StringList) directories = { 0 };
	autoclear(Buffer) text = { 0 };
	autofree char *rootfs = path_join(container->bundle, "rootfs");
	autofree char *config = path_join(container->bundle, "config.json");
	autofree char *hosts = path_join(container->bundle, "hosts");
	autofree char *hostname_file = path_join(container->bundle, "hostname");
	autofree char *resolv = path_join(container->bundle, "resolv.conf");
	char hostname[256];
	UserIds user;

	if (runtime->is_crun)
		TRY(cgroup_check_crun(engine->cgroups));
	snapshot_directories(engine->store, container->id, image, &directories);
	TRY(user_resolve(&user, container->record.spec.user, &container->record.spec.groups, &directories));
	launch_hostname(hostname, container);
	TRY(dir_make_all(AT_FDCWD, container->bundle, 0700));
	TRY(dir_make(AT_FDCWD, rootfs, 0755));
	TRY(etc_files_write(container, hostname));
	BundleInput input = {
		.id = container->id,
		.spec = &container->record.spec,
		.rootfs = rootfs,
		.user = &user,
		.hostname = hostname,
		.cgroup = container->cgroup,
		.cgroups = engine->cgroups,
		.hosts_path = hosts,
		.hostname_path = hostname_file,
		.resolv_path = resolv,
		.seccomp = engine->seccomp,
		.seccomp_ready_made = runtime->takes_ready_made_seccomp,
	};
	TRY(bundle_write(&text, &input));
	TRY(launch_write_health(container, &input));
	return file_replace(AT_FDCWD, config, text.data, text.length, 0600);
}

static const char *launch_log_option(const Container *container, const char *key)
{
	const char *value = map_get(&container->record.spec.log_options, key);

	return value ? value : map_get(&container->engine->config.log_options, key);
}

static fallible launch_log_limits(ShimOptions *options, const Container *container)
{
	const char *size = launch_log_option(container, "max-size"), *files = launch_log_option(container, "max-file");

	options->log_max_size = 0;
	options->log_max_files = 1;
	if (size && !string_equal(size, "-1"))
		TRY_WRAP(string_to_bytes(&options->log_max_size, size), "log option \"max-size\"");
	if (files)
		TRY_WRAP(string_to_int64(&options->log_max_files, files, 1, 1000), "log option \"max-file\"");
	return NULL;
}

/* crun copies itself into sealed memory at each start unless it runs from there already. The copy follows an upgrade of the program. */
static fallible launch_seal(Engine *engine, const Runtime *runtime)
{
	SealedRuntime *sealed = &engine->sealed;
	struct stat status;

	if (stat(runtime->path, &status) < 0)
		return error_errno(errno, "runtime \"%s\"", runtime->path);
	if (sealed->fd >= 0 && sealed->device == status.st_dev && sealed->inode == status.st_ino && sealed->modified == status.st_mtime)
		return NULL;
	close_fd(&sealed->fd);
	TRY(shim_seal_runtime(&sealed->fd, runtime->path));
	sealed->device = status.st_dev;
	sealed->inode = status.st_ino;
	sealed->modified = status.st_mtime;
	return NULL;
}

/* The socket is there before the shim is: who attaches now sees the first byte, and a kedged that comes after us finds the shim at once. */
static fallible launch_listen(Container *container, int *ret_fd)
{
	TRY(shim_listen(ret_fd, container->bundle));
	container->shim_listens = true;
	container_attaches_connect(container);
	return NULL;
}

static fallible launch_spawn(Container *container, const Image *image)
{
	Engine *engine = container->engine;
	const Runtime *runtime = container_runtime(container);
	autofd listen_fd = -1;
	const ContainerSpec *spec = &container->record.spec;
	autofree char *program = engine_program(engine, "kedge-shim");
	autofree char *runtime_root = path_join(engine->config.run_dir, "runtime");
	autofree char *layers = layers_path(engine->store), *lower = snapshot_lower(image);
	autofree char *upper = snapshot_path(engine->store, container->id, "upper");
	autofree char *work = snapshot_path(engine->store, container->id, "work");
	autofree char *oom_file = cgroup_oom_file(engine->cgroups, container->cgroup);
	ShimOptions options = {
		.program = program,
		.id = container->id,
		.run = (uint64_t)container->record.run,
		.bundle = container->bundle,
		.state = container->state_directory,
		.runtime = runtime->path,
		.runtime_root = runtime_root,
		.layers = layers,
		.lower = lower,
		.upper = upper,
		.work = work,
		.oom_file = oom_file,
		.log_driver = spec->log_driver ? spec->log_driver : engine->config.log_driver,
		.is_crun = runtime->is_crun,
		.start_timeout_ms = engine->config.start_timeout_ns / NANOS_PER_MILLI,
		.cgroup = container->cgroup,
		.is_volatile = spec->auto_remove,
	};

	TRY(launch_log_limits(&options, container));
	if (runtime->is_crun) {
		TRY(launch_seal(engine, runtime));
		options.runtime_fd = engine->sealed.fd;
	}
	TRY(launch_listen(container, &listen_fd));
	options.listen_fd = listen_fd;
	return shim_spawn(&container->shim, engine->loop, &options, &container_shim_handlers, container);
}

static fallible launch_try(Container *container)
{
	autoptr(Image) image = NULL;

	if (!container_runtime(container))
		return error_new(ERROR_INVALID, "unknown runtime \"%s\"",
			container->record.spec.runtime ? container->record.spec.runtime : container->engine->config.default_runtime);
	TRY(image_pinned(&image, container->engine->store, container->id));
	if (!image)
		return error_new(ERROR_NOT_FOUND, "No such image: %s", container->record.image_id);
	TRY(sources_make(&container->record.spec));
	TRY(fault("engine.launch.bundle"));
	TRY(launch_write_bundle(container, image));
	TRY(fault("engine.launch.spawn"));
	return launch_spawn(container, image);
}

static ContainerState state_without_run(const Container *container)
{
	return container->record.started_ns ? CONTAINER_EXITED : CONTAINER_CREATED;
}

fallible container_launch(Container *container)
{
	Error *error;

	container_move(container, CONTAINER_STARTING);
	if (container->shim) { /* the last run's shim still cleans up */
		container->launch_when_gone = true;
		return NULL;
	}
	container->record.run++;
	container->exit_seen = false;
	container->undecided = false;
	container->shim_listens = false;
	string_replace(&container->record.boot_id, container->engine->boot_id);
	error = launch_try(container);
	if (!error)
		return NULL;
	container_move(container, state_without_run(container));
	container->shim_listens = false;
	error_free(tree_remove(AT_FDCWD, container->bundle)); /* the launch's error is the one to tell */
	container_set_error(container, error_message(error));
	container->record.exit_code = EXIT_START_FAILED;
	return error;
}

/* A start that failed: told to whoever waits for it, kept in the record, and judged by the restart policy. */
static void launch_failed(Container *container, int exit_code, Error *take_error)
{
	container->record.exit_code = exit_code;
	container->record.pid = 0;
	container_set_error(container, error_message(take_error));
	if (container->state == CONTAINER_STARTING)
		container_move(container, state_without_run(container));
	if (list_empty(&container->starts) && container->record.started_ns)
		container_restart_if_wanted(container, 0);
	container_save_or_log(container);
	completions_finish(&container->starts, take_error);
	error_free(take_error);
	container_waits_exit(container);
	container_attaches_end(container);
	if (container->remove_when_dead || (container->record.spec.auto_remove && container->state != CONTAINER_RESTARTING))
		container_remove_now(container);
}

void container_launch_later(Container *container)
{
	Error *error = container_launch(container);

	if (error)
		launch_failed(container, EXIT_START_FAILED, error);
}

/* ---- what the shim says ---- */

static void signal_or_log(Container *container, int signal)
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

/* kedged died between spawning this shim and hearing from it: the start goes on, unless somebody has asked for the removal meanwhile. */
static void adopt_unknown_start(Container *container)
{
	if (container->state == CONTAINER_REMOVING) {
		signal_or_log(container, SIGKILL);
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
	else if (status->state == SHIM_ENDED && !container->exit_seen)
		container_handle_exit(container, status);
	else if (status->state == SHIM_START_FAILED && container->state == CONTAINER_STARTING)
		container_shim_handlers.failed(container, status, status->error);
}

static void shim_says_started(void *arg, const ShimStatus *status)
{
	Container *container = arg;
	Error *error;

	if (container->state != CONTAINER_STARTING)
		return;
	container_move(container, CONTAINER_RUNNING);
	container->record.pid = status->pid;
	container->record.started_ns = status->started_wall_ns;
	container->started_monotonic_ns = status->started_monotonic_ns;
	container->record.exit_code = 0;
	container->record.oom_killed = false;
	container_set_error(container, NULL);
	error = container_save(container);
	health_begin(container);
	container_event(container, "start", NULL, NULL);
	if (error && !list_empty(&container->starts))
		container->pending_signal = SIGKILL; /* who asked is told that it failed; what a policy started goes on */
	completions_finish(&container->starts, error);
	if (error)
		error_log(error, "container \"%s\": started, but its record was not written", container->record.name);
	if (container->kill_timer)
		container_move(container, CONTAINER_STOPPING);
	if (container->pending_signal)
		signal_or_log(container, container->pending_signal);
	container->pending_signal = 0;
}

/* Clients tell a command that is not there (127) and one that cannot be run (126) from other failures by these words of Docker's. */
static fallible start_failure(const Container *container, const ShimStatus *status, const char *reason)
{
	const ContainerSpec *spec = &container->record.spec;
	const char *command = spec->entrypoint.count ? spec->entrypoint.items[0] : spec->command.items[0];
	const char *name = container->record.name;

	if (status->not_found == EXIT_NOT_FOUND)
		return error_new(ERROR_INVALID, "could not start container \"%s\": exec: \"%s\": executable file not found in $PATH", name,
			command);
	if (status->not_found == EXIT_NOT_EXECUTABLE)
		return error_new(ERROR_INVALID, "could not start container \"%s\": exec: \"%s\": permission denied (%s)", name, command,
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
	launch_failed(container, code, start_failure(container, status, reason));
}

static void exit_events(Container *container)
{
	char code[16];

	if (container->record.oom_killed)
		container_event(container, "oom", NULL, NULL);
	snprintf(code, sizeof(code), "%d", (int)container->record.exit_code);
	container_event(container, "die", "exitCode", code);
}

/* Everything that follows an end, however it came about. The record is committed before anybody is told. */
static void container_ended(Container *container, ContainerState state, int64_t lived_ns)
{
	bool stopped = container->state == CONTAINER_STOPPING && container->record.user_stopped;

	container->exit_seen = true;
	container->record.pid = 0;
	container->kill_timer = source_free(container->kill_timer);
	container->pending_signal = 0;
	health_end(container);
	container_move(container, state);
	container_restart_if_wanted(container, lived_ns);
	container_save_or_log(container);
	exit_events(container);
	if (stopped)
		container_event(container, "stop", NULL, NULL);
	container_waits_exit(container);
	if (container->state == CONTAINER_RESTARTING)
		return;
	if (container->remove_when_dead || container->record.spec.auto_remove)
		container_remove_now(container);
}

void container_handle_exit(Container *container, const ShimStatus *status)
{
	int64_t lived = status->finished_monotonic_ns - status->started_monotonic_ns;

	if (container->state == CONTAINER_STARTING) /* it was over before we heard that it had begun */
		shim_says_started(container, status);
	if (container->exit_seen || !container_is_live(container))
		return;
	container->record.exit_code = status->exit_code;
	container->record.oom_killed = status->oom_killed;
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
		launch_failed(container, EXIT_START_FAILED,
			error_new(ERROR_INTERNAL, "could not start container \"%s\": kedge-shim ended unexpectedly",
				container->record.name));
		return;
	}
	container->record.exit_code = EXIT_SHIM_LOST;
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

void container_clean_run(Container *container)
{
	Engine *engine = container->engine;
	autofree char *runtime_state = string_printf("%s/runtime/%s", engine->config.run_dir, container->id);
	Error *error = cgroup_kill(engine->cgroups, container->cgroup);

	if (!error)
		error = cgroup_remove(engine->cgroups, container->cgroup);
	if (error)
		error_log(error, "container \"%s\"", container->record.name);
	error_free(tree_remove(AT_FDCWD, runtime_state)); /* the shim has removed it; this is for one that was killed */
	error_free(tree_remove(AT_FDCWD, container->bundle));
}

static void shim_is_gone(void *arg)
{
	Container *container = arg;

	container->shim = shim_free(container->shim);
	container->shim_listens = false;
	container_ref(container);
	if (!container->exit_seen) {
		shim_gone_while_live(container);
		container_attaches_end(container);
	} /* else those without a connection came after the end, and wait for the next run */
	container_clean_run(container);
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

static void shim_says_exec_exited(void *arg, const ShimExecExit *exit, const char *output, size_t length)
{
	health_exec_exited(arg, exit, output, length);
}

const ShimHandlers container_shim_handlers = {
	.status = shim_says_status,
	.started = shim_says_started,
	.failed = shim_says_failed,
	.exited = shim_says_exited,
	.exec_exited = shim_says_exec_exited,
	.gone = shim_is_gone,
};

/* ---- what callers ask ---- */

fallible container_start(Container *container, bool *ret_already, ContainerDone *done, void *arg)
{
	Error *error;

	*ret_already = false;
	if (container->state == CONTAINER_REMOVING)
		return error_new(ERROR_CONFLICT, "container \"%s\" is being removed", container->record.name);
	if (container_is_live(container)) {
		*ret_already = container->state != CONTAINER_STARTING;
		if (!*ret_already)
			completion_add(&container->starts, done, arg);
		return NULL;
	}
	container_retry_cancel(container);
	container->retry_delay_ns = 0;
	container->record.restart_count = 0;
	container->record.user_stopped = false;
	container->remove_when_dead = false;
	error = container_launch(container);
	if (!error) {
		completion_add(&container->starts, done, arg);
		return NULL;
	}
	container_save_or_log(container);
	container_waits_exit(container);
	container_attaches_end(container);
	if (container->record.spec.auto_remove)
		container_remove_now(container);
	return error;
}

static int container_stop_signal(const Container *container)
{
	int signal = SIGTERM;

	if (container->record.spec.stop_signal && *container->record.spec.stop_signal)
		error_free(signal_parse(&signal, container->record.spec.stop_signal)); /* checked at create */
	return signal;
}

static int64_t container_stop_timeout_ns(const Container *container, int64_t timeout_s)
{
	if (timeout_s < 0)
		timeout_s = container->record.spec.stop_timeout_s;
	if (timeout_s < 0)
		return container->engine->config.stop_timeout_ns;
	return timeout_s * NANOS_PER_SECOND;
}

static void kill_timer_fired(void *arg)
{
	Container *container = arg;

	container_event(container, "kill", "signal", "9");
	signal_or_log(container, SIGKILL);
}

static void signal_now_or_when_started(Container *container, int signal)
{
	char number[16];

	snprintf(number, sizeof(number), "%d", signal);
	container_event(container, "kill", "signal", number);
	if (container->launch_when_gone)
		container->pending_signal = container->pending_signal == SIGKILL ? SIGKILL : signal;
	else
		signal_or_log(container, signal); /* a shim that starts keeps it until there is a process */
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
static fallible stop_retrying(Container *container, ContainerDone *done, void *arg)
{
	container_retry_cancel(container);
	container->record.user_stopped = true;
	container_move(container, CONTAINER_EXITED);
	TRY(container_save(container));
	container_event(container, "stop", NULL, NULL);
	container_waits_exit(container);
	completion_later(container->engine, done, arg, NULL);
	return NULL;
}

fallible container_stop(
	Container *container, int64_t timeout_s, int signal, bool *ret_already, ContainerDone *done, void *arg)
{
	int64_t timeout_ns = container_stop_timeout_ns(container, timeout_s);
	StopCall *call;

	*ret_already = false;
	if (container->state == CONTAINER_RESTARTING)
		return stop_retrying(container, done, arg);
	if (!container_is_live(container)) {
		*ret_already = true;
		return NULL;
	}
	container->record.user_stopped = true;
	if (!container->kill_timer)
		TRY(loop_timer(&container->kill_timer, container->engine->loop, timeout_ns, kill_timer_fired, container));
	else
		source_rearm(container->kill_timer, timeout_ns);
	call = mem_new(StopCall);
	*call = (StopCall){ done, arg };
	container_wait(container, WAIT_NEXT_EXIT, stop_reached, call);
	signal_now_or_when_started(container, signal ? signal : container_stop_signal(container));
	if (container->state == CONTAINER_RUNNING)
		container_move(container, CONTAINER_STOPPING);
	return NULL;
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

fallible container_restart(Container *container, int64_t timeout_s, int signal, ContainerDone *done, void *arg)
{
	RestartCall *call = mem_new(RestartCall);
	bool already = false;
	Error *error;

	*call = (RestartCall){ container_ref(container), done, arg };
	error = container_stop(container, timeout_s, signal, &already, restart_stopped, call);
	if (!error && already)
		error = container_start(container, &already, restart_started, call);
	if (error) {
		container_unref(container);
		free(call);
	}
	return error;
}

/* On record before the answer: a kedged that dies now must not restart what a person has ended. */
static fallible container_note_stop(Container *container)
{
	bool was_noted = container->record.user_stopped;

	container->record.user_stopped = true;
	return was_noted ? NULL : container_save(container);
}

fallible container_kill(Container *container, int signal)
{
	if (!container_is_live(container))
		return error_new(ERROR_CONFLICT, "Container %s is not running", container->record.name);
	if (signal == SIGKILL || signal == container_stop_signal(container))
		TRY(container_note_stop(container));
	signal_now_or_when_started(container, signal);
	return NULL;
}

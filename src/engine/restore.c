// SPDX-License-Identifier: Apache-2.0
/*
 * Start-up: each record meets what is true. A live shim is adopted; without one its exit file is read; without that the
 * machine went down. From there the ordinary transitions and restart policies decide: there is no special recovery code
 * (invariant 1).
 */
#include <fcntl.h>
#include <string.h>

#include "base/clock.h"
#include "base/fault.h"
#include "base/files.h"
#include "base/log.h"
#include "engine/network_internal.h"
#include "engine/volume_internal.h"
#include "store/records.h"
#include "store/snapshots.h"

enum { EXIT_MACHINE_DOWN = 255 };

#define ASK_AGAIN (200 * NANOS_PER_MILLI)

/* One bad record never stops a start (invariant 2): the store names it in the log and keeps it for a person to look at.
 */
static void restore_set_aside(Engine *engine, const char *id, Error *take_reason)
{
	Error *error = record_set_aside(engine->store, "container", id, error_message(take_reason));

	if (error)
		error_log(error, "container %.12s", id);
	error_free(take_reason);
}

static void restore_record(void *arg, const char *id, const char *name, const char *json)
{
	Engine *engine = arg;
	Container *container = container_new(engine, id);
	Error *error = fields_read_text(container_record_fields, &container->record, "record", json, strlen(json), 0);

	(void)name;
	if (error) {
		restore_set_aside(engine, id, error);
		container_free(container);
		return;
	}
	container_place(container);
	container->state = (ContainerState)container->record.state;
	container_index(container);
}

static bool was_live(const Container *container)
{
	ContainerState stored = (ContainerState)container->record.state;

	return stored == CONTAINER_STARTING || stored == CONTAINER_RUNNING || stored == CONTAINER_PAUSED ||
	       stored == CONTAINER_STOPPING;
}

void containers_hold(Engine *engine, ContainerHolds *holds, void *arg)
{
	engine->holds = holds;
	engine->holds_arg = arg;
}

static bool is_held(const Container *container)
{
	const Engine *engine = container->engine;

	return engine->holds && engine->holds(engine->holds_arg, container);
}

static bool has_plan(const Container *container)
{
	autofree char *path = path_join(container->bundle, "plan");

	return file_exists(AT_FDCWD, path);
}

/*
 * A live shim of a record that is not live is either of a start that kedged died in, or still cleaning up after an exit
 * that is on record: its status will tell by the run's number (shim_says_status).
 */
static void restore_adopt(Container *container)
{
	Error *error = endpoints_restore(container);

	if (error)
		error_log(error, "container \"%s\": its networks", container->record.name);
	container->exit_seen = container->undecided = !was_live(container);
	if (!was_live(container))
		return;
	container->state = CONTAINER_RUNNING;
	if (cgroup_is_frozen(container->engine->cgroups, container->cgroup))
		container_move(container, CONTAINER_PAUSED);
	container->shim_listens = true;
	container->is_planned = has_plan(container);
	container_commit_thaw(container);
	container_execs_restore(container);
	health_begin(container);
	container_stop_resume(container);
}

/* It ended before the machine went down, and nobody was told: this is another boot. */
static void restore_hold_back(Container *container)
{
	bool same_boot = string_equal(container->record.boot_id, container->engine->boot_id);

	if (same_boot || container->state != CONTAINER_RESTARTING || !is_held(container))
		return;
	container_retry_cancel(container);
	container_move(container, CONTAINER_EXITED);
}

static void restore_apply_exit(Container *container, const ShimStatus *status)
{
	if ((int64_t)status->run == container->record.run + 1) {
		container_count_unknown_start(container);
		container->state = CONTAINER_STARTING;
	} else if (was_live(container)) {
		container->state = CONTAINER_RUNNING;
	}
	container->exit_seen = false;
	container_handle_exit_file(container, status);
	restore_hold_back(container);
	container_start_resume(container);
}

static bool exit_is_news(const Container *container, const ShimStatus *status)
{
	return (int64_t)status->run == container->record.run + 1 ||
	       (was_live(container) && (int64_t)status->run == container->record.run);
}

static void restore_lost(Container *container)
{
	bool same_boot = string_equal(container->record.boot_id, container->engine->boot_id);

	container->state = CONTAINER_RUNNING;
	if (same_boot) {
		container_shim_lost(container);
		container_start_resume(container);
		return;
	}
	if (container->record.spec.restart_policy == RESTART_ALWAYS)
		container->record.user_stopped = false;
	container->record.exit_code = EXIT_MACHINE_DOWN;
	container->record.finished_ns = clock_wall_ns();
	container_set_error(container, "the machine went down while it ran");
	container->record.pid = 0;
	container_move(container, CONTAINER_EXITED);
	if (!is_held(container))
		container_restart_if_wanted(container, 0);
	container_save_or_log(container);
	container_start_resume(container);
	container_remove_if_due(container);
}

/* After a boot, policies that mean "should run" start what a person had not stopped; `always` starts that too. */
static void restore_idle(Container *container)
{
	ContainerRecord *record = &container->record;
	bool new_boot = record->boot_id && !string_equal(record->boot_id, container->engine->boot_id);

	if (container->state == CONTAINER_REMOVING) {
		container->state = CONTAINER_DEAD;
		container_remove_now(container);
		return;
	}
	if (container->state == CONTAINER_RESTARTING) {
		container->state = CONTAINER_EXITED;
		if (!new_boot || !is_held(container))
			container_restart_soon(container, 0); /* by its policy, or since it has rebooted itself */
		return;
	}
	if (container->state == CONTAINER_EXITED && record->start_again) {
		container_start_resume(container);
	} else if (new_boot && container->state == CONTAINER_EXITED && record->spec.restart_policy == RESTART_ALWAYS) {
		record->user_stopped = false;
		if (!is_held(container))
			container_restart_if_wanted(container, 0);
	} else if (container->state == CONTAINER_EXITED && record->spec.auto_remove) {
		container_remove_now(container);
	}
}

/* A shim may end before it could tell of its run; a start that was asked for since is that run, not another one. */
bool container_restore_unknown_exit(Container *container)
{
	ShimStatus status;
	bool found = false;
	Error *error = shim_read_exit(&status, &found, container->state_directory);

	if (error)
		error_log(error, "container \"%s\"", container->record.name);
	if (!found || (int64_t)status.run != container->record.run + 1)
		return false;
	container->undecided = container->launch_when_gone = false;
	restore_apply_exit(container, &status);
	return true;
}

/* What is left of the last run, in control groups and the run directory, goes first: nobody else would remove it. */
void container_restore_without_shim(Container *container)
{
	ShimStatus status;
	bool found = false;
	Error *error = shim_read_exit(&status, &found, container->state_directory);

	container->undecided = false;
	if (error)
		error_log(error, "container \"%s\"", container->record.name);
	if (file_exists(AT_FDCWD, container->bundle))
		container_clean_run(container);
	if (found && exit_is_news(container, &status))
		restore_apply_exit(container, &status);
	else if (was_live(container))
		restore_lost(container);
	else
		restore_idle(container);
}

static void restore_one(Container *container);

static void restore_again(void *arg)
{
	Container *container = arg;

	container->retry = source_free(container->retry);
	if (!container->shim)
		restore_one(container);
}

/* No descriptor left, say: that it could not be asked does not mean that nobody is there. */
static void restore_later(Container *container, Error *take_reason)
{
	Error *error;

	error_log(take_reason, "container \"%s\" is asked again soon", container->record.name);
	error = loop_timer(&container->retry, container->engine->loop, ASK_AGAIN, restore_again, container);
	if (error)
		error_log(error, "container \"%s\" stays as it is on record", container->record.name);
}

static fallible restore_connect(Container *container)
{
	TRY(fault("engine.restore.connect"));
	return shim_connect(
		&container->shim, container->engine->loop, container->bundle, &container_shim_handlers, container);
}

static void restore_one(Container *container)
{
	Error *error = restore_connect(container);

	if (error)
		restore_later(container, error);
	else if (container->shim)
		restore_adopt(container);
	else
		container_restore_without_shim(container);
}

fallible unknown_run_connect(Shim **ret, Engine *engine, const char *id)
{
	static const ShimHandlers no_handlers;
	autofree char *bundle = string_printf("%s/containers/%s", engine->config.run_dir, id);

	return shim_connect(ret, engine->loop, bundle, &no_handlers, NULL);
}

static bool litter_lives(Engine *engine, const char *id)
{
	autoptr(Shim) shim = NULL;
	Error *error = unknown_run_connect(&shim, engine, id);

	if (error)
		error_log(error, "container %.12s has no record, and could not be asked whether it runs", id);
	else if (shim)
		log_error("container %.12s runs, and has no record: \"kedge system check --repair\" ends it", id);
	return error || shim;
}

/* Bundles of containers that no record knows: kedged died while it removed them. */
static fallible restore_litter(void *arg, int dir_fd, const char *name, unsigned char type)
{
	Engine *engine = arg;
	Error *error;

	(void)type;
	if (table_get(engine->containers, name) || litter_lives(engine, name))
		return NULL;
	log_info("removing what is left of container %.12s", name);
	error = tree_remove(dir_fd, name);
	if (error)
		error_log(error, "container %.12s", name);
	return NULL;
}

static void restore_sweep_litter(Engine *engine)
{
	autofree char *bundles = path_join(engine->config.run_dir, "containers");
	Error *error = dir_each(AT_FDCWD, bundles, restore_litter, engine);

	if (error)
		error_log(error, "cannot tidy up \"%s\"", bundles);
}

fallible containers_restore(Engine *engine)
{
	TRY(record_each(engine->store, "container", restore_record, engine));
	list_each(&engine->container_order, Container, link, container)
		restore_one(container);
	restore_sweep_litter(engine);
	volumes_release(engine);
	return NULL;
}

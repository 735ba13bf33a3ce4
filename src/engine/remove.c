// SPDX-License-Identifier: Apache-2.0
/* Removal. The record's deletion is the moment: before it nothing has changed, after it everything left is litter that
 * start-up sweeps. */
#include <signal.h>

#include "base/fault.h"
#include "base/log.h"
#include "engine/log_forward.h"
#include "engine/volume_internal.h"
#include "store/images.h"
#include "store/records.h"
#include "store/snapshots.h"
#include "store/volumes.h"

static Error *delete_record(void *arg)
{
	const Container *container = arg;

	return record_delete(container->engine->store, "container", container->id);
}

/* With the volumes that go with it. */
static fallible remove_record(Container *container, const StringList *volumes)
{
	TRY(fault("engine.remove.record"));
	return volumes_delete(container->engine->store, volumes, delete_record, container);
}

/* What may fail here is swept at the next start. */
static void remove_files(Container *container)
{
	Store *store = container->engine->store;
	Error *error = fault("engine.remove.files");

	if (!error)
		error = snapshot_discard(store, container->id);
	if (error)
		error_log(error, "container \"%s\": its files are left for the next start", container->record.name);
	engine_sweep_soon(container->engine);
}

static void remove_finish(Container *container, const StringList *volumes)
{
	container->removed = true;
	container_execs_forget(container);
	container_unindex(container);
	volumes_gone(volumes, container->engine);
	container_event(container, "destroy", NULL, NULL);
	container_waits_removed(container);
	container_attaches_end(container);
	completions_finish(&container->starts, NULL);
	completions_finish(&container->removals, NULL);
	container_unref(container);
}

/* It stands in the state; those who asked are told, and the log where nobody did. */
static void remove_failed(Container *container, Error *take_error)
{
	if (list_empty(&container->removals)) {
		error_log(take_error, "could not remove container \"%s\"", container->record.name);
		return;
	}
	completions_finish(&container->removals, take_error);
	error_free(take_error); /* each had a copy */
}

/* Waits for the shim's own clean-up: called again when it is gone. */
void container_remove_now(Container *container)
{
	autoclear(StringList) volumes = {0};

	if (container->removed)
		return;
	container_retry_cancel(container);
	if (container->state != CONTAINER_REMOVING)
		container_move(container, CONTAINER_REMOVING);
	if (container->shim || container->cleaning || container->copies)
		return;
	volumes_forget(container);
	volumes_release(container->engine); /* its start may have been broken off */
	volumes_that_go(&volumes, container);
	Error *error = remove_record(container, &volumes);
	if (error) {
		container_move(container, CONTAINER_DEAD);
		container_set_error(container, error_message(error));
		container->remove_when_dead = false;
		remove_failed(container, error);
		return;
	}
	log_forward_remove(container);
	remove_files(container);
	remove_finish(container, &volumes);
}

/* Who was told of the end may have started it again: then it is not this end that it goes with. */
void container_remove_if_due(Container *container)
{
	if (container_is_live(container) || container->state == CONTAINER_RESTARTING)
		return;
	if (container->remove_when_dead || container->record.spec.auto_remove)
		container_remove_now(container);
}

static fallible remove_refused(const Container *container)
{
	const char *first = container->state == CONTAINER_PAUSED ? "Unpause and then stop" : "Stop";

	return error_new(ERROR_CONFLICT,
		"You cannot remove a %s container %s. %s the container before attempting removal or force remove",
		container_state_name(container->state), container->id, first);
}

/* Completions run from the loop, never inside the call that asked. By then the end of the shim's clean-up may have come
 * first, and the removal may have failed: those who asked were told. */
static void remove_deferred(void *arg)
{
	Container *container = arg;

	if (container->state == CONTAINER_REMOVING)
		container_remove_now(container);
	container_unref(container);
}

fallible container_remove(Container *container, bool force, bool volumes, ContainerDone *done, void *arg)
{
	bool live = container_is_live(container);

	container->remove_volumes |= volumes;
	if (container->state == CONTAINER_REMOVING) {
		completion_add(&container->removals, done, arg);
		return NULL;
	}
	if (!force && (live || container->state == CONTAINER_RESTARTING))
		return remove_refused(container);
	if (live) {
		TRY(container_kill(container, SIGKILL));
		container->remove_when_dead = true;
		completion_add(&container->removals, done, arg);
		return NULL;
	}
	completion_add(&container->removals, done, arg);
	container_retry_cancel(container);
	container_move(container, CONTAINER_REMOVING);
	loop_defer_free(container->engine->loop, remove_deferred, container_ref(container));
	return NULL;
}

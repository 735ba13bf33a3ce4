// SPDX-License-Identifier: Apache-2.0
/*
 * Pausing: the container's control group is frozen. The kernel keeps that state, not our record: after a restart of
 * kedged the freezer tells (restore.c), also of a freeze that was under way and is done by then.
 */
#include "base/clock.h"
#include "engine/admission.h"
#include "engine/container_internal.h"

#define FIRST_LOOK NANOS_PER_MILLI

enum { LOOKS_MAX = 13 }; /* 1, 2, 4, ... ms: 8 seconds in all */

static fallible freeze(Container *container, bool frozen)
{
	return cgroup_freeze(container->engine->cgroups, container->cgroup, frozen);
}

static void freeze_ended(Container *container, Error *take_error)
{
	container->freezer = source_free(container->freezer);
	completions_finish(&container->pauses, take_error);
	error_free(take_error); /* each caller had its copy */
}

static void freeze_gave_up(Container *container)
{
	Error *error = freeze(container, false);

	if (!error)
		error = error_new(
			ERROR_TIMEOUT, "processes of container \"%s\" did not freeze in time", container->record.name);
	freeze_ended(container, error);
}

static void freeze_look(void *arg)
{
	Container *container = arg;
	Error *error;

	if (cgroup_is_frozen(container->engine->cgroups, container->cgroup)) {
		container_move(container, CONTAINER_PAUSED);
		health_pause(container);
		container_event(container, "pause", NULL, NULL);
		freeze_ended(container, NULL);
		return;
	}
	if (container->freeze_looks++ == LOOKS_MAX) {
		freeze_gave_up(container);
		return;
	}
	error = freeze(container, true); /* processes that were forked meanwhile */
	if (error)
		freeze_ended(container, error);
	else
		source_rearm(container->freezer, FIRST_LOOK << container->freeze_looks);
}

static fallible pause_check(const Container *container)
{
	const char *name = container->id; /* as Docker says it */

	if (container->state == CONTAINER_PAUSED)
		return error_new(ERROR_CONFLICT, "Container %s is already paused", name);
	if (container->state == CONTAINER_RESTARTING)
		return error_new(
			ERROR_CONFLICT, "Container %s is restarting, wait until the container is running", name);
	if (container->state == CONTAINER_STOPPING)
		return error_new(ERROR_CONFLICT, "Container %s is being stopped", name);
	if (container->state != CONTAINER_RUNNING)
		return error_new(ERROR_CONFLICT, "Container %s is not running", name);
	return NULL;
}

fallible container_pause(Container *container, ContainerDone *done, void *arg)
{
	TRY(pause_check(container));
	if (!container->freezer) {
		TRY(freeze(container, true));
		container->freeze_looks = 0;
		TRY(loop_timer(&container->freezer, container->engine->loop, 0, freeze_look, container));
	}
	completion_add(&container->pauses, done, arg);
	return NULL;
}

fallible container_go_on(Container *container)
{
	TRY(freeze(container, false));
	container_move(container, CONTAINER_RUNNING);
	container_event(container, "unpause", NULL, NULL);
	return NULL;
}

fallible container_unpause(Container *container)
{
	if (container->state != CONTAINER_PAUSED)
		return error_new(ERROR_CONFLICT, "Container %s is not paused", container->id);
	TRY(admission_ask(container, "unpause"));
	return container_go_on(container);
}

void container_thaw(Container *container)
{
	Error *error = NULL;

	if (container->freezer) {
		error = freeze(container, false);
		freeze_ended(container, error_new(ERROR_CONFLICT, "Container %s is being stopped", container->id));
	} else if (container->state == CONTAINER_PAUSED) {
		error = container_go_on(container);
	}
	if (error)
		error_log(error, "container \"%s\"", container->record.name);
}

void container_pause_ends(Container *container)
{
	if (container->freezer)
		freeze_ended(container, error_new(ERROR_CONFLICT, "Container %s is not running", container->id));
}

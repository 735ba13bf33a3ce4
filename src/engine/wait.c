// SPDX-License-Identifier: Apache-2.0
/* Callers that wait for a container's end or removal. */
#include "base/memory.h"
#include "engine/container_internal.h"

struct ContainerWait {
	List link;
	WaitCondition condition;
	Source *at_once; /* it is already so: answered from the loop */
	Container *container;
	ContainerWaitDone *done;
	void *arg;
};

static void wait_free(ContainerWait *wait)
{
	list_remove(&wait->link);
	source_free(wait->at_once);
	free(wait);
}

static void wait_finish(ContainerWait *wait)
{
	Container *container = container_ref(wait->container);
	ContainerWaitDone *done = wait->done;
	void *arg = wait->arg;

	wait_free(wait);
	done(arg, (int)container->record.exit_code);
	container_unref(container);
}

static void wait_at_once(void *arg)
{
	wait_finish(arg);
}

ContainerWait *container_wait(Container *container, WaitCondition condition, ContainerWaitDone *done, void *arg)
{
	ContainerWait *wait = mem_new(ContainerWait);
	bool ended = !container_is_live(container) && container->state != CONTAINER_RESTARTING;

	wait->condition = condition;
	wait->container = container;
	wait->done = done;
	wait->arg = arg;
	list_append(&container->waits, &wait->link);
	if (container->removed || (condition == WAIT_NOT_RUNNING && ended)) {
		Error *error = loop_defer(&wait->at_once, container->engine->loop, wait_at_once, wait);
		if (error)
			error_log(error, "container \"%s\": cannot answer a wait", container->record.name);
	}
	return wait;
}

void container_wait_cancel(ContainerWait *wait)
{
	if (wait)
		wait_free(wait);
}

/* Handlers may cancel other waits: start over after each until none is left to tell. */
static void waits_tell(Container *container, bool removed)
{
	for (bool found = true; found;) {
		found = false;
		list_each(&container->waits, ContainerWait, link, wait) {
			if (wait->at_once || (!removed && wait->condition == WAIT_REMOVED))
				continue;
			found = true;
			wait_finish(wait);
			break;
		}
	}
}

void container_waits_exit(Container *container)
{
	waits_tell(container, false);
}

void container_waits_removed(Container *container)
{
	waits_tell(container, true);
}

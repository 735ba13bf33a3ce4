// SPDX-License-Identifier: Apache-2.0
/*
 * The machine goes down: containers are stopped in order. No person stopped them, so restart policies decide as at any
 * other end, but nothing is begun any more: what waits for its next try then waits on record, for the next boot.
 */
#include "base/log.h"
#include "base/memory.h"
#include "engine/container_internal.h"

typedef struct PowerDown {
	size_t left; /* containers that have not ended yet, and one for the call itself */
	void (*done)(void *arg);
	void *arg;
} PowerDown;

static void one_is_down(PowerDown *down)
{
	if (--down->left)
		return;
	down->done(down->arg);
	free(down);
}

static void container_is_down(void *arg, Error *take_error)
{
	error_free(take_error); /* a wait's end has none */
	one_is_down(arg);
}

static void power_down_one(PowerDown *down, Container *container)
{
	Error *error;

	container_retry_cancel(container);
	if (!container_is_live(container))
		return;
	error = container_stop_unasked(container, container_is_down, down);
	if (error)
		error_log(error, "container \"%s\" is not stopped in order", container->record.name);
	else
		down->left++;
}

void engine_power_down(Engine *engine, void (*done)(void *arg), void *arg)
{
	PowerDown *down = mem_new(PowerDown);

	*down = (PowerDown){1, done, arg};
	engine->closing = true;
	list_each(&engine->container_order, Container, link, container)
		power_down_one(down, container);
	log_info("the machine goes down: containers being stopped: %zu", down->left - 1);
	one_is_down(down);
}

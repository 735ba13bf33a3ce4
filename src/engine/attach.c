// SPDX-License-Identifier: Apache-2.0
/* Followers of a container's output: each is a connection of its own to the shim, so that a slow one holds up nothing
 * of ours. */
#include "base/log.h"
#include "base/memory.h"
#include "engine/container_internal.h"
#include "shim/logline.h"

struct ContainerAttach {
	List link;
	Container *container;
	Shim *shim; /* NULL until there is a run to follow */
	bool want_stdout, want_stderr, paused;
	bool holds;
	unsigned unheld; /* streams that do not stand still yet, a bit each */
	AttachHandlers handlers;
	void *arg;
};

static void attach_finish(ContainerAttach *attach)
{
	void (*ended)(void *) = attach->handlers.ended;
	void *arg = attach->arg;

	container_attach_end(attach);
	if (ended)
		ended(arg);
}

static void attach_output(void *arg, int stream, const char *data, size_t length)
{
	ContainerAttach *attach = arg;

	if (length)
		attach->handlers.output(attach->arg, stream, data, length);
}

static void attach_is_held(ContainerAttach *attach, unsigned streams)
{
	bool was_held = !attach->unheld;

	attach->unheld &= ~streams;
	if (attach->holds && !attach->unheld && !was_held)
		attach->handlers.held(attach->arg);
}

static void attach_held(void *arg, int stream, const char *data, size_t length)
{
	attach_output(arg, stream, data, length);
	attach_is_held(arg, 1u << (stream & 3));
}

/* A shim of an earlier version holds nothing. */
static void attach_status(void *arg, const ShimStatus *status)
{
	if (!(status->features & SHIM_CAN_HOLD))
		attach_is_held(arg, ~0u);
}

static void attach_gone(void *arg)
{
	attach_finish(arg);
}

/* Output comes before it on the same connection: all of it was delivered. */
static void attach_exited(void *arg, const ShimStatus *status)
{
	(void)status;
	attach_finish(arg);
}

static void attach_failed(void *arg, const ShimStatus *status, const char *reason)
{
	(void)status;
	(void)reason;
	attach_finish(arg);
}

static const ShimHandlers attach_shim_handlers = {
	.status = attach_status,
	.held = attach_held,
	.exited = attach_exited,
	.failed = attach_failed,
	.output = attach_output,
	.gone = attach_gone,
};

static fallible attach_connect(ContainerAttach *attach)
{
	Container *container = attach->container;

	TRY(shim_connect(&attach->shim, container->engine->loop, container->bundle, &attach_shim_handlers, attach));
	if (!attach->shim)
		return error_new(ERROR_CONFLICT, "container \"%s\" has just ended", container->record.name);
	shim_pause(attach->shim, attach->paused);
	if (attach->holds)
		return shim_hold(attach->shim, attach->want_stdout, attach->want_stderr);
	return shim_attach(attach->shim, attach->want_stdout, attach->want_stderr);
}

static ContainerAttach *attach_new(Container *container, const AttachHandlers *handlers, void *arg)
{
	ContainerAttach *attach = mem_new(ContainerAttach);

	attach->container = container_ref(container);
	attach->handlers = *handlers;
	attach->arg = arg;
	list_append(&container->attaches, &attach->link);
	return attach;
}

fallible container_attach(ContainerAttach **ret, Container *container, bool want_stdout, bool want_stderr,
	const AttachHandlers *handlers, void *arg)
{
	ContainerAttach *attach = attach_new(container, handlers, arg);
	Error *error = NULL;

	attach->want_stdout = want_stdout;
	attach->want_stderr = want_stderr;
	if (container->shim_listens && !container->exit_seen)
		error = attach_connect(attach);
	if (error) {
		container_attach_end(attach);
		return error;
	}
	container_event(container, "attach", NULL, NULL);
	*ret = attach;
	return NULL;
}

fallible container_attach_held(ContainerAttach **ret, Container *container, bool want_stdout, bool want_stderr,
	const AttachHandlers *handlers, void *arg)
{
	if (!container->shim_listens || container->exit_seen)
		return NULL;
	ContainerAttach *attach = attach_new(container, handlers, arg);
	attach->want_stdout = want_stdout;
	attach->want_stderr = want_stderr;
	attach->holds = true;
	attach->unheld = (want_stdout ? 1u << LOG_STDOUT : 0) | (want_stderr ? 1u << LOG_STDERR : 0);
	Error *error = attach_connect(attach);
	if (error) {
		container_attach_end(attach);
		return error;
	}
	container_event(container, "attach", NULL, NULL);
	*ret = attach;
	return NULL;
}

fallible container_attach_go_on(ContainerAttach *attach)
{
	attach->holds = false;
	return shim_attach(attach->shim, attach->want_stdout, attach->want_stderr);
}

Shim *container_attach_shim(const ContainerAttach *attach, Container **ret)
{
	*ret = attach->container;
	return attach->shim;
}

int container_attach_descriptor(const ContainerAttach *attach)
{
	return attach->shim ? shim_descriptor(attach->shim) : -1;
}

fallible container_attach_again(
	ContainerAttach **ret, Container *container, int fd, const AttachHandlers *handlers, void *arg)
{
	ContainerAttach *attach = attach_new(container, handlers, arg);
	Error *error = shim_go_on(&attach->shim, container->engine->loop, fd, &attach_shim_handlers, attach);

	if (error)
		container_attach_end(attach);
	else
		*ret = attach;
	return error;
}

void container_attach_pause(ContainerAttach *attach, bool paused)
{
	attach->paused = paused;
	if (attach->shim)
		shim_pause(attach->shim, paused);
}

void container_attach_end(ContainerAttach *attach)
{
	if (!attach)
		return;
	list_remove(&attach->link);
	shim_free(attach->shim);
	container_unref(attach->container);
	free(attach);
}

/* Called when a start's socket listens and before its shim runs, so that the first byte is not missed. */
void container_attaches_connect(Container *container)
{
	for (bool failed = true; failed;) {
		failed = false;
		list_each(&container->attaches, ContainerAttach, link, attach) {
			Error *error = attach->shim ? NULL : attach_connect(attach);
			if (!error)
				continue;
			error_log(error, "could not attach to container \"%s\"", container->record.name);
			attach_finish(attach);
			failed = true;
			break;
		}
	}
}

/* The run is over. A follower with a connection ends by what it reads there, after all output; the others have nothing
 * to wait for. */
void container_attaches_end(Container *container)
{
	container_clients_end(container);
	for (bool found = true; found;) {
		found = false;
		list_each(&container->attaches, ContainerAttach, link, attach) {
			if (attach->shim)
				continue;
			attach_finish(attach);
			found = true;
			break;
		}
	}
}

// SPDX-License-Identifier: Apache-2.0
/* Clients that are handed over to the container's shim, with their sockets. */
#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/log.h"
#include "base/memory.h"
#include "engine/container_internal.h"
#include "shim/clients.h"

/* Waits for a start. Nothing is read from it: what it sends is the container's. */
typedef struct WaitingClient {
	List link;
	ShimClient head;
	Keys keys;
	char *early;
	int fd, watch_fd; /* epoll of fd with no events asked for: tells only of a client that closed whole */
	Source *watch;
} WaitingClient;

static void waiting_free(WaitingClient *waiting)
{
	if (!waiting)
		return;
	list_remove(&waiting->link);
	source_free(waiting->watch);
	close_fd(&waiting->watch_fd);
	close_fd(&waiting->fd);
	free(waiting->early);
	free(waiting);
}
DEFINE_AUTOPTR(WaitingClient, waiting_free)

static void on_left(void *arg, int fd, unsigned events)
{
	(void)fd, (void)events;
	waiting_free(arg);
}

static fallible watch(WaitingClient *waiting, Loop *loop)
{
	struct epoll_event event = {.events = 0};

	waiting->watch_fd = epoll_create1(EPOLL_CLOEXEC);
	if (waiting->watch_fd < 0 || epoll_ctl(waiting->watch_fd, EPOLL_CTL_ADD, waiting->fd, &event) < 0)
		return error_errno(errno, "could not watch a client");
	return loop_watch(&waiting->watch, loop, waiting->watch_fd, LOOP_READ, on_left, waiting);
}

static size_t count_waiting(const Container *container)
{
	size_t count = 0;

	list_each(&container->clients, WaitingClient, link, waiting)
		count++;
	return count;
}

/* As many as the shim has places for: two descriptors each are kept until then. */
static fallible wait_for_start(Container *container, const ShimClient *head, const ContainerClient *client, int *fd)
{
	autoptr(WaitingClient) waiting = NULL;

	if (count_waiting(container) >= CLIENTS_MAX)
		return error_new(ERROR_UNAVAILABLE, "container \"%s\" has %d clients already", container->record.name,
			CLIENTS_MAX);
	waiting = mem_new(WaitingClient);
	list_init(&waiting->link);
	waiting->watch_fd = -1;
	waiting->fd = take_fd(fd);
	waiting->head = *head;
	waiting->keys = *client->detach_keys;
	waiting->early = mem_dup(client->early, head->early_length);
	TRY(watch(waiting, container->engine->loop));
	list_append(&container->clients, &waiting->link);
	take(waiting);
	return NULL;
}

static ShimClient head_of(const Container *container, const ContainerClient *client)
{
	const ContainerSpec *spec = &container->record.spec;

	return (ShimClient){
		.wants = (client->wants_stdin && spec->open_stdin ? SHIM_WANTS_STDIN : 0) |
			 (client->wants_stdout ? SHIM_WANTS_STDOUT : 0) |
			 (client->wants_stderr ? SHIM_WANTS_STDERR : 0),
		.is_framed = !spec->tty && !client->is_raw,
		.ends_input = spec->stdin_once && !spec->tty,
		.key_count = spec->tty ? (uint32_t)client->detach_keys->count : 0,
		.early_length = (uint32_t)client->early_length,
	};
}

fallible container_hand_over_again(Container *container, const ContainerClient *client, int fd)
{
	autofd socket = fd;
	ShimClient head = head_of(container, client);

	if (client->early_length > SHIM_EARLY_MAX)
		return error_new(ERROR_TOO_LARGE, "too much input before the answer");
	if (container->shim && container->shim_listens && !container->exit_seen)
		TRY(shim_client(container->shim, &head, client->detach_keys->bytes, client->early, socket));
	else
		TRY(wait_for_start(container, &head, client, &socket));
	return NULL;
}

fallible container_hand_over(Container *container, const ContainerClient *client, int fd)
{
	TRY(container_hand_over_again(container, client, fd));
	container_event(container, "attach", NULL, NULL);
	return NULL;
}

fallible container_hand_over_held(ContainerAttach *take_attach, const ContainerClient *client, int fd)
{
	autofd socket = fd;
	Container *container = NULL;
	Shim *shim = container_attach_shim(take_attach, &container);
	ShimClient head = head_of(container, client);
	Error *error = NULL;

	if (client->early_length > SHIM_EARLY_MAX)
		error = error_new(ERROR_TOO_LARGE, "too much input before the answer");
	else
		error = shim_client(shim, &head, client->detach_keys->bytes, client->early, socket);
	container_attach_end(take_attach);
	return error;
}

void container_clients_each(Engine *engine,
	void (*visit)(void *arg, const char *container_id, const ContainerClient *client, int fd), void *arg)
{
	list_each(&engine->container_order, Container, link, container) {
		list_each(&container->clients, WaitingClient, link, waiting) {
			const ContainerClient client = {
				.wants_stdin = waiting->head.wants & SHIM_WANTS_STDIN,
				.wants_stdout = waiting->head.wants & SHIM_WANTS_STDOUT,
				.wants_stderr = waiting->head.wants & SHIM_WANTS_STDERR,
				.is_raw = !waiting->head.is_framed,
				.detach_keys = &waiting->keys,
				.early = waiting->early,
				.early_length = waiting->head.early_length,
			};
			visit(arg, container->id, &client, waiting->fd);
		}
	}
}

/* One connection for all of them; what it says is heard by the shim before the container has written anything. */
fallible container_clients_hand_over(Container *container)
{
	static const ShimHandlers nobody = {0};
	autoptr(Shim) shim = NULL;

	if (list_empty(&container->clients))
		return NULL;
	TRY(shim_connect(&shim, container->engine->loop, container->bundle, &nobody, NULL));
	list_each(&container->clients, WaitingClient, link, waiting) {
		Error *error =
			shim ? shim_client(shim, &waiting->head, waiting->keys.bytes, waiting->early, waiting->fd)
			     : NULL;
		if (error)
			error_log(error, "could not attach a client to container \"%s\"", container->record.name);
		waiting_free(waiting);
	}
	return NULL;
}

void container_clients_end(Container *container)
{
	list_each(&container->clients, WaitingClient, link, waiting)
		waiting_free(waiting);
}

static void map_set_number(StringMap *map, const char *key, int number)
{
	autofree char *text = string_printf("%d", number);

	map_set(map, key, text);
}

fallible container_resize(Container *container, int rows, int columns)
{
	ShimResize size = {.rows = (uint16_t)rows, .columns = (uint16_t)columns};
	autoclear(StringMap) own = {0};

	if (container->state != CONTAINER_RUNNING && container->state != CONTAINER_PAUSED &&
		container->state != CONTAINER_STOPPING)
		return error_new(ERROR_CONFLICT, "Container %s is not running", container->id);
	if (container->shim && container->record.spec.tty)
		TRY(shim_resize(container->shim, &size));
	map_set_number(&own, "height", rows);
	map_set_number(&own, "width", columns);
	container_event_with(container, "resize", &own);
	return NULL;
}

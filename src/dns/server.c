// SPDX-License-Identifier: Apache-2.0
#include "dns/server.h"

#include <errno.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/table.h"
#include "dns/container.h"
#include "dns/protocol.h"

#define LONELY_LIMIT (3 * NANOS_PER_SECOND)
#define ACCEPT_PAUSE (NANOS_PER_SECOND / 10) /* after one that failed: the listener stays readable */

enum { PACKETS_PER_TURN = 64, HELD_PER_PACKET = 64, BACKLOG = 4 };

struct DnsServer {
	Service service;
	Table *containers;
	unsigned generation; /* of what the last `begin` named */
	int listener, connection;
	Source *listener_source, *connection_source, *lonely, *pause;
	StringList unsaid; /* containers of which kedged is not told yet that we hold their sockets */
	bool is_greeting;
};

/* ---- what kedged says ---- */

static void on_begin(DnsServer *server, Packet *packet)
{
	(void)packet;
	server->generation++;
}

static void remove_container(DnsServer *server, Container *container)
{
	table_remove(server->containers, container->view.container);
	container_free(container);
}

static void on_end(DnsServer *server, Packet *packet)
{
	void *value;
	size_t cursor = 0;

	(void)packet;
	names_sweep(server->service.names, server->generation);
	while (table_next(server->containers, &cursor, NULL, &value)) {
		Container *container = value;
		if (container->generation != server->generation)
			remove_container(server, container);
	}
}

static void on_names(DnsServer *server, Packet *packet)
{
	autoclear(StringList) names = {0};
	NamesEntry entry = {.generation = server->generation, .names = &names};

	entry.network = packet_next(packet);
	entry.container = packet_next(packet);
	entry.ipv4 = packet_next(packet);
	entry.ipv6 = packet_next(packet);
	if (!entry.ipv6)
		return;
	for (const char *name = packet_next(packet); name; name = packet_next(packet))
		strings_add(&names, name);
	names_set(server->service.names, &entry);
}

static void on_forget_names(DnsServer *server, Packet *packet)
{
	const char *network = packet_next(packet), *container = packet_next(packet);

	if (container)
		names_remove(server->service.names, network, container);
}

/* Tagged words; an unknown tag ends them. */
static void read_view(View *view, Packet *packet)
{
	for (const char *tag = packet_next(packet); tag; tag = packet_next(packet)) {
		const char *first = packet_next(packet);
		if (!first)
			return;
		if (string_equal(tag, "s")) {
			servers_add(&view->servers, first);
			continue;
		}
		const char *second = packet_next(packet);
		const char *third = string_equal(tag, "l") ? packet_next(packet) : NULL;
		if (third)
			view_add_link(view, first, second, third);
		else if (second && string_equal(tag, "n"))
			view_add_network(view, first, second);
		else
			return;
	}
}

static void take_sockets(Container *container, Packet *packet)
{
	if (packet->fds[0] < 0 || packet->fds[1] < 0)
		return;
	Error *error = container_set_sockets(container, take_fd(&packet->fds[0]), take_fd(&packet->fds[1]));

	if (error)
		error_log(error, "container \"%s\" gets no names", container->view.container);
}

static void on_view(DnsServer *server, Packet *packet)
{
	const char *id = packet_next(packet), *forwards = packet_next(packet);

	if (!forwards)
		return;
	Container *container = table_get(server->containers, id);
	if (!container) {
		container = container_new(&server->service);
		table_set(server->containers, id, container);
	}
	view_clear(&container->view);
	container->view.container = mem_strdup(id);
	container->view.may_forward = string_equal(forwards, "1");
	container->generation = server->generation;
	read_view(&container->view, packet);
	take_sockets(container, packet);
}

/* What did not fit into one packet. */
static void on_view_more(DnsServer *server, Packet *packet)
{
	const char *id = packet_next(packet);
	Container *container = id ? table_get(server->containers, id) : NULL;

	if (container)
		read_view(&container->view, packet);
}

static void on_forget_view(DnsServer *server, Packet *packet)
{
	const char *id = packet_next(packet);
	Container *container = id ? table_get(server->containers, id) : NULL;

	if (container)
		remove_container(server, container);
}

static void on_retire(DnsServer *server, Packet *packet)
{
	(void)packet;
	loop_stop(server->service.loop);
}

static const struct {
	const char *verb;
	void (*handle)(DnsServer *server, Packet *packet);
} verbs[] = {
	{"begin", on_begin},
	{"end", on_end},
	{"names", on_names},
	{"forget-names", on_forget_names},
	{"view", on_view},
	{"view-more", on_view_more},
	{"forget-view", on_forget_view},
	{"retire", on_retire},
};

static void handle(DnsServer *server, Packet *packet)
{
	const char *verb = packet_next(packet);

	for (size_t i = 0; i < COUNT(verbs); i++)
		if (string_equal(verb, verbs[i].verb))
			verbs[i].handle(server, packet);
	packet_close(packet);
}

/* ---- its end ---- */

static void on_lonely(void *arg)
{
	DnsServer *server = arg;

	if (server->connection < 0 && table_count(server->containers) == 0)
		loop_stop(server->service.loop);
}

static void disconnect(DnsServer *server)
{
	server->connection_source = source_free(server->connection_source);
	close_fd(&server->connection);
	strings_clear(&server->unsaid);
	server->is_greeting = false;
}

/* ---- greeting: as fast as kedged reads ---- */

static bool has_sockets(const Container *container)
{
	return container->udp >= 0 && container->tcp >= 0;
}

static void list_held(DnsServer *server)
{
	const char *id;
	void *container;
	size_t cursor = 0;

	while (table_next(server->containers, &cursor, &id, &container))
		if (has_sockets(container))
			strings_add(&server->unsaid, id);
}

static void keep_unsaid(StringList *unsaid, size_t count)
{
	while (unsaid->count > count)
		strings_remove(unsaid, unsaid->count - 1);
}

/* The last ones of what is to be said. */
static PacketResult say_some(DnsServer *server)
{
	StringList *unsaid = &server->unsaid;
	size_t left = unsaid->count > HELD_PER_PACKET ? unsaid->count - HELD_PER_PACKET : 0;
	autoclear(Buffer) packet = {0};

	packet_init(&packet, "held");
	for (size_t i = left; i < unsaid->count; i++)
		packet_add(&packet, unsaid->items[i]);
	PacketResult result = packet_send(server->connection, &packet, NULL);
	if (result == PACKET_DONE)
		keep_unsaid(unsaid, left);
	return result;
}

static PacketResult say_words(const DnsServer *server, const char *verb, const char *word)
{
	autoclear(Buffer) packet = {0};

	packet_init(&packet, verb);
	if (word)
		packet_add(&packet, word);
	return packet_send(server->connection, &packet, NULL);
}

/* What cannot be said, as its end has come, is told where that is read. */
static void go_on_greeting(DnsServer *server)
{
	PacketResult result = PACKET_DONE;

	while (server->unsaid.count && result == PACKET_DONE)
		result = say_some(server);
	if (result == PACKET_DONE)
		result = say_words(server, "ready", NULL);
	server->is_greeting = result == PACKET_LATER;
	source_set_events(server->connection_source, LOOP_READ | (server->is_greeting ? LOOP_WRITE : 0u));
}

static bool greet(DnsServer *server)
{
	if (say_words(server, "hello", DNS_VERSION) != PACKET_DONE)
		return false;
	list_held(server);
	go_on_greeting(server);
	return true;
}

/* ---- the connection ---- */

static void on_connection(void *arg, int fd, unsigned events)
{
	DnsServer *server = arg;
	PacketResult result = PACKET_DONE;
	Packet packet;

	if (events & LOOP_WRITE && server->is_greeting)
		go_on_greeting(server);
	for (int i = 0; i < PACKETS_PER_TURN && result == PACKET_DONE; i++) {
		result = packet_receive(&packet, fd);
		if (result == PACKET_DONE)
			handle(server, &packet);
	}
	if (result != PACKET_END)
		return;
	disconnect(server);
	on_lonely(server); /* the next kedged starts another one when it needs one */
}

static void serve(DnsServer *server, int take_connection)
{
	disconnect(server);
	server->connection = take_connection;
	Error *error = loop_watch(
		&server->connection_source, server->service.loop, server->connection, LOOP_READ, on_connection, server);

	if (error)
		error_log(error, "could not serve kedged");
	if (error || !greet(server))
		disconnect(server);
}

static void end_pause(void *arg)
{
	DnsServer *server = arg;

	source_set_events(server->listener_source, LOOP_READ);
}

static void on_listener(void *arg, int fd, unsigned events)
{
	DnsServer *server = arg;
	int connection = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	(void)events;
	if (connection >= 0) {
		serve(server, connection);
	} else if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED) {
		source_set_events(server->listener_source, 0);
		source_rearm(server->pause, ACCEPT_PAUSE);
	}
}

/* ---- life ---- */

fallible dns_server_new(DnsServer **ret, Loop *loop, const DnsServerOptions *options)
{
	autoptr(DnsServer) server = mem_new(DnsServer);
	Service *service = &server->service;

	server->listener = options->listener;
	server->connection = -1;
	server->containers = table_new();
	service->loop = loop;
	service->names = names_new();
	service->forwarder = forwarder_new(loop);
	service->host.path = options->resolv_conf;
	TRY(loop_timer(&server->lonely, loop, LONELY_LIMIT, on_lonely, server));
	TRY(loop_timer(&server->pause, loop, -1, end_pause, server));
	TRY(loop_watch(&server->listener_source, loop, server->listener, LOOP_READ, on_listener, server));
	if (options->connection >= 0)
		serve(server, options->connection);
	*ret = take(server);
	return NULL;
}

DnsServer *dns_server_free(DnsServer *server)
{
	void *container;
	size_t cursor = 0;

	if (!server)
		return NULL;
	while (table_next(server->containers, &cursor, NULL, &container))
		container_free(container);
	table_free(server->containers);
	names_free(server->service.names);
	forwarder_free(server->service.forwarder);
	source_free(server->connection_source);
	source_free(server->listener_source);
	source_free(server->lonely);
	source_free(server->pause);
	strings_clear(&server->unsaid);
	close_fd(&server->connection);
	close_fd(&server->listener);
	free(server);
	return NULL;
}

// SPDX-License-Identifier: Apache-2.0
#include "dns/server.h"

#include "base/log.h"
#include "base/memory.h"
#include "base/table.h"
#include "dns/container.h"
#include "dns/protocol.h"

struct DnsServer {
	Service service;
	Table *containers;
	unsigned generation; /* of what the last `begin` named */
	Attendant *attendant;
};

/* ---- what kedged says ---- */

static void on_begin(void *arg, Packet *packet)
{
	DnsServer *server = arg;

	(void)packet;
	server->generation++;
}

static void remove_container(DnsServer *server, Container *container)
{
	table_remove(server->containers, container->view.container);
	container_free(container);
}

static void on_end(void *arg, Packet *packet)
{
	DnsServer *server = arg;
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

static void on_names(void *arg, Packet *packet)
{
	DnsServer *server = arg;
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

static void on_forget_names(void *arg, Packet *packet)
{
	DnsServer *server = arg;
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

static void on_view(void *arg, Packet *packet)
{
	DnsServer *server = arg;
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
static void on_view_more(void *arg, Packet *packet)
{
	DnsServer *server = arg;
	const char *id = packet_next(packet);
	Container *container = id ? table_get(server->containers, id) : NULL;

	if (container)
		read_view(&container->view, packet);
}

static void on_forget_view(void *arg, Packet *packet)
{
	DnsServer *server = arg;
	const char *id = packet_next(packet);
	Container *container = id ? table_get(server->containers, id) : NULL;

	if (container)
		remove_container(server, container);
}

static const AttendantVerb verbs[] = {
	{"begin", on_begin},
	{"end", on_end},
	{"names", on_names},
	{"forget-names", on_forget_names},
	{"view", on_view},
	{"view-more", on_view_more},
	{"forget-view", on_forget_view},
	{0},
};

/* ---- what it holds ---- */

static bool has_sockets(const Container *container)
{
	return container->udp >= 0 && container->tcp >= 0;
}

static void list_held(const void *arg, StringList *names)
{
	const DnsServer *server = arg;
	const char *id;
	void *container;
	size_t cursor = 0;

	while (table_next(server->containers, &cursor, &id, &container))
		if (has_sockets(container))
			strings_add(names, id);
}

static bool is_idle(const void *arg)
{
	const DnsServer *server = arg;

	return table_count(server->containers) == 0;
}

/* Who is left alone with nothing to hold ends at once: the next kedged starts another one when it needs one. */
static const AttendantKind kind = {.version = DNS_VERSION, .verbs = verbs, .is_idle = is_idle, .held = list_held};

/* ---- life ---- */

fallible dns_server_new(DnsServer **ret, Loop *loop, const DnsServerOptions *options)
{
	autoptr(DnsServer) server = mem_new(DnsServer);
	Service *service = &server->service;

	server->containers = table_new();
	service->loop = loop;
	service->names = names_new();
	service->forwarder = forwarder_new(loop);
	service->host.path = options->resolv_conf;
	TRY(attendant_new(&server->attendant, loop, &options->sockets, &kind, server));
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
	attendant_free(server->attendant);
	free(server);
	return NULL;
}

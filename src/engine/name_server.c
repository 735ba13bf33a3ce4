// SPDX-License-Identifier: Apache-2.0
#include "engine/name_server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "base/memory.h"
#include "dns/client.h"
#include "engine/network_internal.h"
#include "network/inner.h"
#include "network/namespace.h"

enum { NAME_SERVER = 0x7f00000b /* 127.0.0.11 */, BACKLOG = 64, SHORT_ID = 12 };

/* ---- sockets in a container's namespace ---- */

/* *port: the one that it had, where it is free; else the kernel chooses. */
static fallible bind_to(int fd, uint16_t *port)
{
	struct sockaddr_in address = {
		.sin_family = AF_INET, .sin_addr = {htonl(NAME_SERVER)}, .sin_port = htons(*port)};
	socklen_t length = sizeof(address);
	int on = 1;

	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)); /* bind(2) tells what matters */
	if (bind(fd, (const struct sockaddr *)&address, sizeof(address)) < 0) {
		address.sin_port = 0;
		if (bind(fd, (const struct sockaddr *)&address, sizeof(address)) < 0)
			return error_errno(errno, "could not bind a socket to 127.0.0.11");
	}
	if (getsockname(fd, (struct sockaddr *)&address, &length) < 0)
		return error_errno(errno, "could not look at a socket");
	*port = ntohs(address.sin_port);
	return NULL;
}

static fallible make_socket(int *ret_fd, int type, uint16_t *port)
{
	autofd fd = socket(AF_INET, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return error_errno(errno, "could not make a socket");
	TRY(bind_to(fd, port));
	if (type == SOCK_STREAM && listen(fd, BACKLOG) < 0)
		return error_errno(errno, "could not listen at 127.0.0.11");
	*ret_fd = take_fd(&fd);
	return NULL;
}

/* In the namespace. Where it already leads port 53 to these ports, nothing is to be done about that. */
static fallible make_sockets(NetworkRun *run)
{
	uint16_t udp = (uint16_t)run->names_udp_port, tcp = (uint16_t)run->names_tcp_port;

	TRY(make_socket(&run->names_udp, SOCK_DGRAM, &udp));
	TRY(make_socket(&run->names_tcp, SOCK_STREAM, &tcp));
	if (udp == run->names_udp_port && tcp == run->names_tcp_port)
		return NULL;
	TRY(inner_table_make(udp, tcp));
	run->names_udp_port = udp;
	run->names_tcp_port = tcp;
	return NULL;
}

static void close_sockets(NetworkRun *run)
{
	close_fd(&run->names_udp);
	close_fd(&run->names_tcp);
}

static fallible make_sockets_in(NetworkRun *run, int namespace_fd)
{
	int home = -1;

	TRY(namespace_enter(&home, namespace_fd));
	Error *error = make_sockets(run);
	namespace_leave(home);
	if (error)
		close_sockets(run);
	return error;
}

/* A process of that number may be another one by now. */
static bool is_ours(int namespace_fd)
{
	struct stat own, other;

	return stat("/proc/self/ns/net", &own) < 0 || fstat(namespace_fd, &other) < 0 || own.st_ino == other.st_ino;
}

/* Of a container that runs: kedge-dns has been started anew. */
static fallible make_again(Container *container)
{
	NetworkRun *run = &container->network;
	int64_t udp = run->names_udp_port, tcp = run->names_tcp_port;
	autofd namespace_fd = -1;

	TRY(namespace_open_of(&namespace_fd, (pid_t)container->record.pid));
	if (is_ours(namespace_fd))
		return NULL;
	TRY(make_sockets_in(run, namespace_fd));
	return udp == run->names_udp_port && tcp == run->names_tcp_port ? NULL : endpoints_save(container);
}

/* ---- what it is told ---- */

static const Network *named_network(const Container *container, const Endpoint *endpoint)
{
	const Network *network = endpoint->is_leaving ? NULL : network_by_id(container->engine, endpoint->network);

	return network && !network->is_predefined ? network : NULL;
}

size_t container_named_networks(const Container *container)
{
	const Endpoint *endpoints = container->network.endpoints.items;
	size_t count = 0;

	for (size_t i = 0; i < container->network.endpoints.count; i++)
		count += named_network(container, &endpoints[i]) != NULL;
	return count;
}

bool container_has_names(const Container *container)
{
	return container_named_networks(container) > 0;
}

static char *plain_address(const char *address_with_prefix)
{
	return mem_strndup(address_with_prefix, strcspn(address_with_prefix, "/"));
}

static void tell_names(const Container *container, const Endpoint *endpoint)
{
	const EndpointSpec *spec = container_endpoint_spec(container, endpoint->network);
	autofree char *ipv4 = plain_address(endpoint->ipv4), *ipv6 = plain_address(endpoint->ipv6);
	autoclear(StringList) all = {0};

	strings_add(&all, container->record.name);
	for (size_t i = 0; spec && i < spec->aliases.count; i++)
		strings_add(&all, spec->aliases.items[i]);
	strings_printf(&all, "%.*s", SHORT_ID, container->id);
	if (!string_empty(container->record.spec.hostname))
		strings_add(&all, container->record.spec.hostname);
	dns_names_set(container->engine->dns, &(DnsNames){.network_id = endpoint->network,
						      .container_id = container->id,
						      .names = &all,
						      .ipv4 = ipv4,
						      .ipv6 = ipv6});
}

/* A network of the view, and what decides its place among them. */
typedef struct Ranked {
	DnsNetwork network;
	bool is_internal;
	int64_t priority;
} Ranked;

/* As libnetwork orders the endpoints of a sandbox (sandbox.go, Less()). */
static int compare_ranked(const void *left, const void *right)
{
	const Ranked *a = left, *b = right;

	if (a->is_internal != b->is_internal)
		return a->is_internal ? 1 : -1;
	if (a->priority != b->priority)
		return a->priority > b->priority ? -1 : 1;
	return strcmp(a->network.name, b->network.name);
}

static size_t rank_networks(Ranked *ret, const Container *container)
{
	const Endpoint *endpoints = container->network.endpoints.items;
	size_t count = 0;

	for (size_t i = 0; i < container->network.endpoints.count; i++) {
		const Network *network = named_network(container, &endpoints[i]);
		const EndpointSpec *spec = container_endpoint_spec(container, endpoints[i].network);
		if (network)
			ret[count++] = (Ranked){.network = {network->id, network->record.spec.name},
				.is_internal = network->record.spec.is_internal,
				.priority = spec ? spec->priority : 0};
	}
	qsort(ret, count, sizeof(*ret), compare_ranked);
	return count;
}

/* Through any of its networks, those without names among them. */
static bool has_way_out(const Container *container)
{
	const Endpoint *endpoints = container->network.endpoints.items;

	for (size_t i = 0; i < container->network.endpoints.count; i++) {
		const Network *network = network_by_id(container->engine, endpoints[i].network);
		if (network && !endpoints[i].is_leaving && !network->record.spec.is_internal)
			return true;
	}
	return false;
}

typedef struct Links {
	DnsLink *items;
	StringList texts; /* ids and names that the items point into */
	size_t count;
} Links;

/* "ID:ALIAS" */
static void add_link(Links *links, const char *link, const char *network_id)
{
	size_t length = strcspn(link, ":");
	char *id = mem_strndup(link, length);

	strings_take(&links->texts, id);
	links->items = mem_array(links->items, links->count + 1, sizeof(*links->items));
	links->items[links->count++] =
		(DnsLink){.name = link[length] ? link + length + 1 : "", .container_id = id, .network_id = network_id};
}

static void list_links(Links *ret, const Container *container)
{
	const EndpointSpec *endpoints = container->record.spec.endpoints.items;

	for (size_t i = 0; i < container->record.spec.endpoints.count; i++)
		for (size_t j = 0; j < endpoints[i].links.count; j++)
			add_link(ret, endpoints[i].links.items[j], endpoints[i].network);
}

static void links_clear(Links *links)
{
	free(links->items);
	strings_clear(&links->texts);
}

DEFINE_AUTOCLEAR(Links, links_clear)

static void tell_view(Container *container)
{
	size_t count = container->network.endpoints.count;
	autofree Ranked *ranked = mem_alloc(count * sizeof(Ranked));
	autofree DnsNetwork *networks = mem_alloc(count * sizeof(DnsNetwork));
	autoclear(Links) links = {0};
	DnsView view = {.networks = networks,
		.network_count = rank_networks(ranked, container),
		.servers = &container->record.spec.dns,
		.may_forward = has_way_out(container)};

	for (size_t i = 0; i < view.network_count; i++)
		networks[i] = ranked[i].network;
	list_links(&links, container);
	view.links = links.items;
	view.link_count = links.count;
	dns_view_set(container->engine->dns, container->id, &view, take_fd(&container->network.names_udp),
		take_fd(&container->network.names_tcp));
}

static bool lacks_sockets(const Container *container)
{
	return container->network.names_udp < 0 && !dns_has_sockets(container->engine->dns, container->id);
}

static void tell_all(Container *container)
{
	const Endpoint *endpoints = container->network.endpoints.items;
	Error *error = NULL;

	for (size_t i = 0; i < container->network.endpoints.count; i++)
		if (named_network(container, &endpoints[i]))
			tell_names(container, &endpoints[i]);
	if (lacks_sockets(container) && container_is_live(container) && container->record.pid > 0)
		error = make_again(container);
	if (error)
		error_log(error, "container \"%s\" asks for names in vain", container->record.name);
	tell_view(container);
}

void name_server_tell(Container *container)
{
	Dns *dns = container->engine->dns;

	if (!dns)
		return; /* not yet: it will ask */
	if (!container_has_names(container)) {
		dns_view_remove(dns, container->id);
		return;
	}
	dns_need(dns);
	if (dns_is_ready(dns))
		tell_all(container);
}

/* ---- the life of a run ---- */

fallible name_server_attach(Container *container, int namespace_fd)
{
	Dns *dns = container->engine->dns;

	if (!container_has_names(container))
		return NULL;
	if (container->network.names_udp < 0 && !(dns && dns_has_sockets(dns, container->id)))
		TRY_WRAP(make_sockets_in(&container->network, namespace_fd), "name server of the container");
	name_server_tell(container);
	return NULL;
}

void name_server_leave(Container *container, const char *network_id)
{
	if (container->engine->dns)
		dns_names_remove(container->engine->dns, network_id, container->id);
}

void name_server_forget(Container *container)
{
	const Endpoint *endpoints = container->network.endpoints.items;
	Dns *dns = container->engine->dns;

	for (size_t i = 0; dns && i < container->network.endpoints.count; i++)
		dns_names_remove(dns, endpoints[i].network, container->id);
	if (dns)
		dns_view_remove(dns, container->id);
}

/* ---- the engine's ---- */

static void on_ready(void *arg)
{
	Engine *engine = arg;

	list_each(&engine->container_order, Container, link, container)
		if (container_has_names(container))
			tell_all(container);
}

fallible name_server_open(Engine *engine)
{
	static const DnsHandlers handlers = {.ready = on_ready};
	autofree char *program = engine_program(engine, "kedge-dns");

	TRY(dns_open(&engine->dns, engine->loop, engine->config.run_dir, program, &handlers, engine));
	list_each(&engine->container_order, Container, link, container)
		if (container_has_names(container))
			dns_need(engine->dns);
	return NULL;
}

void name_server_close(Engine *engine)
{
	engine->dns = dns_close(engine->dns);
}

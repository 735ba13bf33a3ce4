// SPDX-License-Identifier: Apache-2.0
/*
 * Published ports. Each is held by a socket that is bound to it: it keeps the host's own programs from taking the port,
 * and tells us when one of them has it. It takes nothing, as packets for it are sent on to the container before any
 * socket is looked for, but for those that the container's shim relays.
 */
#include "engine/ports.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/memory.h"
#include "engine/network_cni.h"
#include "network/host.h"

enum { FREE_TRIES = 64, FREE_FIRST = 49152 };

static const struct {
	int type, number;
} transports[PROTOCOLS] = {
	[PROTOCOL_TCP] = {SOCK_STREAM, IPPROTO_TCP},
	[PROTOCOL_UDP] = {SOCK_DGRAM, IPPROTO_UDP},
	[PROTOCOL_SCTP] = {SOCK_STREAM, IPPROTO_SCTP},
};

int protocol_number(int protocol)
{
	return transports[protocol].number;
}

/* ---- one socket ---- */

typedef union SocketAddress {
	struct sockaddr any;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
} SocketAddress;

static socklen_t fill_address(SocketAddress *ret, const Address *address, int64_t port)
{
	*ret = (SocketAddress){0};
	if (address->family == AF_INET) {
		ret->v4.sin_family = AF_INET;
		ret->v4.sin_port = htons((uint16_t)port);
		memcpy(&ret->v4.sin_addr, address->bytes, sizeof(ret->v4.sin_addr));
		return sizeof(ret->v4);
	}
	ret->v6.sin6_family = AF_INET6;
	ret->v6.sin6_port = htons((uint16_t)port);
	memcpy(&ret->v6.sin6_addr, address->bytes, sizeof(ret->v6.sin6_addr));
	return sizeof(ret->v6);
}

static int64_t bound_port(int fd)
{
	SocketAddress address;
	socklen_t length = sizeof(address);

	if (getsockname(fd, &address.any, &length) < 0)
		return 0;
	return ntohs(address.any.sa_family == AF_INET ? address.v4.sin_port : address.v6.sin6_port);
}

typedef enum BindMode {
	BIND_ALONE,
	/* Connections that a relay has served linger. Nobody else can have the port of a socket that listens. */
	BIND_AND_LISTEN,
	/* Connections that a program of the host has ended linger for a minute, and keep who does not reuse addresses
	 * from their port. A socket that listens, or does not reuse them itself, keeps everybody: as ours does once it
	 * is bound. */
	BIND_BESIDE_LINGERING,
} BindMode;

static int bind_as(int fd, const SocketAddress *where, socklen_t length, BindMode mode)
{
	int on = 1, off = 0;

	if (mode != BIND_ALONE && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0)
		return errno;
	if (bind(fd, &where->any, length) < 0 || (mode == BIND_AND_LISTEN && listen(fd, SOMAXCONN) < 0))
		return errno;
	if (mode == BIND_BESIDE_LINGERING && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &off, sizeof(off)) < 0)
		return errno;
	return 0;
}

/* errno, or 0. A kernel without SCTP sockets lets nobody else have one either: *ret is -1 then. */
static int bind_one(int *ret, const Address *address, int protocol, int64_t port, BindMode mode)
{
	SocketAddress where;
	socklen_t length = fill_address(&where, address, port);
	int on = 1, error;
	autofd fd = socket(
		address->family, transports[protocol].type | SOCK_CLOEXEC | SOCK_NONBLOCK, transports[protocol].number);

	*ret = -1;
	if (fd < 0)
		return protocol == PROTOCOL_SCTP && (errno == EPROTONOSUPPORT || errno == ESOCKTNOSUPPORT) ? 0 : errno;
	if (address->family == AF_INET6 && setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on)) < 0)
		return errno;
	error = bind_as(fd, &where, length, mode);
	if (!error)
		*ret = take_fd(&fd);
	return error;
}

/* ---- one published port: a socket for each family that it is asked for ---- */

typedef struct Wish {
	Container *container;
	const PortSpec *spec;
	Address hosts[2]; /* one, or both wildcards */
	size_t host_count;
} Wish;

/* ---- who has one ---- */

static bool overlap(const Address *one, const Address *other)
{
	static const uint8_t any[16];

	if (one->family != other->family)
		return false;
	return memcmp(one->bytes, any, sizeof(any)) == 0 || memcmp(other->bytes, any, sizeof(any)) == 0 ||
	       memcmp(one->bytes, other->bytes, sizeof(any)) == 0;
}

static bool has_port(const Container *container, const Wish *wish, int64_t port)
{
	const PortBinding *bindings = container->network.ports.items;

	for (size_t i = 0; i < container->network.ports.count; i++) {
		Address own;
		if (bindings[i].host_port != port || bindings[i].protocol != wish->spec->protocol)
			continue;
		error_free(address_parse(&own, bindings[i].host_address)); /* we have written it */
		for (size_t j = 0; j < wish->host_count; j++)
			if (overlap(&own, &wish->hosts[j]))
				return true;
	}
	return false;
}

static const Container *holder(const Wish *wish, int64_t port)
{
	list_each(&wish->container->engine->container_order, Container, link, container)
		if (container->network.ports.count && has_port(container, wish, port))
			return container;
	return NULL;
}

/* Where there are no sockets to ask the kernel by. */
static int64_t first_unused(const Wish *wish)
{
	for (int64_t port = FREE_FIRST; port <= UINT16_MAX; port++)
		if (!holder(wish, port))
			return port;
	return 0;
}

/* ---- holding it ---- */

static bool is_wild(const Address *address)
{
	static const uint8_t any[16];

	return memcmp(address->bytes, any, sizeof(any)) == 0;
}

/* To IPv4, what comes to an IPv6 address of the host: where the container has none, or, from ::1, where bridges filter
 * packets. It may have no IPv4 either, until it is connected to a network that leads out. What plugins publish is
 * theirs alone: nothing would keep internal networks from a relay of it. */
static bool is_relayed(const Wish *wish, const Address *host)
{
	const Container *container = wish->container;
	bool has_ipv6 = endpoints_way_out(container, AF_INET6);

	if (host->family != AF_INET6 || wish->spec->protocol == PROTOCOL_SCTP || endpoints_publish_by_cni(container))
		return false;
	return !has_ipv6 || (container->engine->filters_bridges && (is_wild(host) || address_is_loopback(host)));
}

static void add_held(NetworkRun *run, int fd, int64_t relay_port)
{
	if (fd < 0)
		return;
	run->held = mem_array(run->held, run->held_count + 1, sizeof(*run->held));
	run->relay_ports = mem_array(run->relay_ports, run->held_count + 1, sizeof(*run->relay_ports));
	run->relay_ports[run->held_count] = (uint16_t)relay_port;
	run->held[run->held_count++] = fd;
}

static void add_binding(const Wish *wish, const Address *host, int64_t port, int fd)
{
	NetworkRun *run = &wish->container->network;
	PortBinding *items = mem_array(run->ports.items, run->ports.count + 1, sizeof(*items));
	char text[ADDRESS_TEXT_MAX];

	address_format(text, host);
	run->ports.items = items;
	items[run->ports.count] = (PortBinding){
		.port = wish->spec->port,
		.protocol = wish->spec->protocol,
		.host_address = mem_strdup(text),
		.host_port = port,
		.is_relayed = is_relayed(wish, host),
	};
	add_held(run, fd, items[run->ports.count].is_relayed ? wish->spec->port : 0);
	run->ports.count++;
}

static int bind_host(int *ret, const Wish *wish, const Address *host, int64_t port)
{
	int protocol = wish->spec->protocol, error;

	if (protocol != PROTOCOL_TCP)
		return bind_one(ret, host, protocol, port, BIND_ALONE);
	if (is_relayed(wish, host))
		return bind_one(ret, host, protocol, port, BIND_AND_LISTEN);
	error = bind_one(ret, host, protocol, port, BIND_ALONE);
	if (error != EADDRINUSE || !port || holder(wish, port))
		return error;
	return bind_one(ret, host, protocol, port, BIND_BESIDE_LINGERING);
}

/* Binds every one of the wish's addresses to the port, or none. port 0: the kernel picks it for the first address. */
static int bind_all(int fds[2], const Wish *wish, int64_t *port)
{
	int error = 0;

	for (size_t i = 0; i < wish->host_count && !error; i++) {
		error = bind_host(&fds[i], wish, &wish->hosts[i], *port);
		if (!error && !*port)
			*port = fds[i] >= 0 ? bound_port(fds[i]) : first_unused(wish);
	}
	for (size_t i = 0; i < wish->host_count && error; i++)
		close_fd(&fds[i]);
	return error;
}

static int hold_at(const Wish *wish, int64_t port)
{
	int fds[2] = {-1, -1}, error;

	if (port && wish->spec->protocol == PROTOCOL_SCTP && holder(wish, port))
		return EADDRINUSE; /* there may be no sockets to tell */
	error = bind_all(fds, wish, &port);
	for (size_t i = 0; i < wish->host_count && !error; i++)
		add_binding(wish, &wish->hosts[i], port, fds[i]);
	return error;
}

static int hold_free(const Wish *wish)
{
	int error = EADDRINUSE;

	for (int i = 0; i < FREE_TRIES && error == EADDRINUSE; i++)
		error = hold_at(wish, 0);
	return error;
}

/* The words before the last colon are Docker's, by which clients know the case. */
static fallible taken(const Wish *wish, int64_t port)
{
	const PortSpec *spec = wish->spec;
	const Container *other = holder(wish, port);
	autofree char *process = NULL;
	char host[ADDRESS_TEXT_MAX];

	address_format(host, &wish->hosts[0]);
	if (other)
		return error_new(ERROR_INTERNAL,
			"Bind for %s:%lld failed: port is already allocated: container \"%s\" has it", host,
			(long long)port, other->record.name);
	process = port_owner(spec->protocol, port);
	return error_new(ERROR_INTERNAL, "listen %s4 %s:%lld: bind: address already in use: %s has it",
		protocol_names[spec->protocol], host, (long long)port, process ? process : "a process");
}

static fallible refused(const Wish *wish, int error, int64_t port)
{
	char host[ADDRESS_TEXT_MAX];

	if (error == EADDRINUSE && port)
		return taken(wish, port);
	address_format(host, &wish->hosts[0]);
	if (error == EADDRINUSE)
		return error_new(ERROR_INTERNAL, "no port of %s is free", host);
	return error_errno(
		error, "could not bind %s:%lld/%s", host, (long long)port, protocol_names[wish->spec->protocol]);
}

static fallible hold(const Wish *wish)
{
	const PortSpec *spec = wish->spec;
	int64_t last = spec->host_port_end > spec->host_port ? spec->host_port_end : spec->host_port;
	int error = EADDRINUSE;

	if (!spec->host_port) {
		error = hold_free(wish);
		return error ? refused(wish, error, 0) : NULL;
	}
	for (int64_t port = spec->host_port; port <= last && error == EADDRINUSE; port++)
		error = hold_at(wish, port);
	return error ? refused(wish, error, spec->host_port) : NULL;
}

/* ---- of a container ---- */

static fallible read_hosts(Wish *wish, const char *default_address)
{
	const char *asked = string_empty(wish->spec->host_address) ? default_address : wish->spec->host_address;

	wish->host_count = 1;
	if (!string_empty(asked))
		return address_parse(&wish->hosts[0], asked);
	wish->hosts[0] = (Address){.family = AF_INET};
	wish->hosts[1] = (Address){.family = AF_INET6};
	wish->host_count = host_has_ipv6() ? 2 : 1;
	return NULL;
}

static fallible hold_spec(Container *container, const PortSpec *spec, const char *default_address)
{
	Wish wish = {.container = container, .spec = spec};

	TRY_WRAP(read_hosts(&wish, default_address), "port %lld/%s", (long long)spec->port,
		protocol_names[spec->protocol]);
	TRY_WRAP(hold(&wish), "driver failed programming external connectivity on endpoint %s", container->record.name);
	return NULL;
}

static bool is_published(const ContainerSpec *spec, int64_t port, int protocol)
{
	const PortSpec *ports = spec->ports.items;

	for (size_t i = 0; i < spec->ports.count; i++)
		if (ports[i].port == port && ports[i].protocol == protocol)
			return true;
	return false;
}

/* "-P": what is exposed, and published by nothing else. */
static fallible hold_exposed(Container *container, const char *default_address)
{
	const ContainerSpec *spec = &container->record.spec;

	for (size_t i = 0; i < spec->exposed_ports.count; i++) {
		PortSpec port = {0};
		TRY(port_parse(&port.port, &port.protocol, spec->exposed_ports.items[i]));
		if (!is_published(spec, port.port, port.protocol))
			TRY(hold_spec(container, &port, default_address));
	}
	return NULL;
}

fallible ports_hold(Container *container)
{
	const ContainerSpec *spec = &container->record.spec;
	const PortSpec *ports = spec->ports.items;
	const Endpoint *way = endpoints_way_out(container, AF_INET);
	const Network *network = way ? network_by_id(container->engine, way->network) : NULL;
	const char *address = network ? network_option(network, "com.docker.network.bridge.host_binding_ipv4") : NULL;

	for (size_t i = 0; i < spec->ports.count; i++)
		TRY(hold_spec(container, &ports[i], address));
	return spec->publish_all ? hold_exposed(container, address) : NULL;
}

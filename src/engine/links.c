// SPDX-License-Identifier: Apache-2.0
/*
 * Links on the default network, where there is no name server: a container that is linked to must be there at the
 * start, and what it is and offers is told in variables. On other networks a link is a name (name_server.c), and may
 * come later. Words and variables are Docker's.
 */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "engine/network_internal.h"

typedef struct Link {
	const Container *other;
	const char *alias;
	const Network *network; /* of the endpoint that has the link */
} Link;

typedef struct Links {
	Link *items;
	size_t count;
} Links;

static void links_clear(Links *links)
{
	free(links->items);
}

DEFINE_AUTOCLEAR(Links, links_clear)

/* "ID:ALIAS"; who has been removed is no link any more. */
static void add_link(Links *links, const Engine *engine, const Network *network, const char *text)
{
	size_t length = strcspn(text, ":");
	autofree char *id = mem_strndup(text, length);
	const Container *other = table_get(engine->containers, id);

	if (!other || !text[length] || !network)
		return;
	links->items = mem_array(links->items, links->count + 1, sizeof(*links->items));
	links->items[links->count++] = (Link){other, text + length + 1, network};
}

static void read_links(Links *ret, const ContainerSpec *spec, const Engine *engine, bool are_of_default)
{
	const EndpointSpec *endpoints = spec->endpoints.items;

	for (size_t i = 0; i < spec->endpoints.count; i++) {
		const Network *network = network_by_id(engine, endpoints[i].network);
		for (size_t j = 0; j < endpoints[i].links.count; j++)
			if (network && network->is_predefined == are_of_default)
				add_link(ret, engine, network, endpoints[i].links.items[j]);
	}
}

static void read_own_links(Links *ret, const Container *container)
{
	read_links(ret, &container->record.spec, container->engine, true);
}

fallible links_check(const Container *container)
{
	autoclear(Links) links = {0};

	read_own_links(&links, container);
	for (size_t i = 0; i < links.count; i++)
		if (!container_endpoint_spec(links.items[i].other, links.items[i].network->id))
			return error_new(ERROR_INTERNAL,
				"Cannot link to /%s, as it does not belong to the default network",
				links.items[i].other->record.name);
	for (size_t i = 0; i < links.count; i++)
		if (!container_endpoint_on(links.items[i].other, links.items[i].network->id))
			return error_new(ERROR_INTERNAL, "Cannot link to a non running container: /%s AS /%s/%s",
				links.items[i].other->record.name, container->record.name, links.items[i].alias);
	return NULL;
}

void links_warnings(StringList *ret, const ContainerSpec *spec, const Engine *engine)
{
	autoclear(Links) links = {0};

	read_links(&links, spec, engine, false);
	for (size_t i = 0; i < links.count; i++)
		if (!container_endpoint_spec(links.items[i].other, links.items[i].network->id))
			strings_printf(ret, "link \"%s:%s\" leads nowhere: container \"%s\" is not on network \"%s\"",
				links.items[i].other->record.name, links.items[i].alias,
				links.items[i].other->record.name, links.items[i].network->record.spec.name);
}

/* ---- variables ---- */

typedef struct LinkedPort {
	int64_t port;
	int protocol; /* Protocol */
} LinkedPort;

typedef struct Variables {
	StringList *list;
	char *prefix; /* "MY_DB" */
	char *address;
	LinkedPort *ports; /* by number; of a number, TCP first */
	size_t port_count;
} Variables;

static void variables_clear(Variables *variables)
{
	free(variables->prefix);
	free(variables->address);
	free(variables->ports);
}

DEFINE_AUTOCLEAR(Variables, variables_clear)

static int compare_ports(const void *a, const void *b)
{
	const LinkedPort *one = a, *other = b;

	if (one->port != other->port)
		return one->port < other->port ? -1 : 1;
	return one->protocol - other->protocol;
}

static void read_ports(Variables *ret, const StringList *exposed)
{
	ret->ports = mem_array(NULL, exposed->count + 1, sizeof(*ret->ports));
	for (size_t i = 0; i < exposed->count; i++) {
		LinkedPort *port = &ret->ports[ret->port_count];
		Error *error = port_parse(&port->port, &port->protocol, exposed->items[i]);
		ret->port_count += !error;
		error_free(error); /* an image's port that is none is nobody's */
	}
	qsort(ret->ports, ret->port_count, sizeof(*ret->ports), compare_ports);
}

static char *variable_prefix(const char *alias)
{
	char *prefix = mem_strdup(alias);

	for (char *c = prefix; *c; c++)
		*c = *c == '-' ? '_' : (char)toupper((unsigned char)*c);
	return prefix;
}

/* what: "" or "_PORT_80_TCP", and more; the port as "tcp://172.17.0.2:80". */
static void tell_port(const Variables *variables, const char *what, const LinkedPort *port)
{
	strings_printf(variables->list, "%s%s=%s://%s:%lld", variables->prefix, what, protocol_names[port->protocol],
		variables->address, (long long)port->port);
}

static char *port_name(const LinkedPort *port, const char *more)
{
	autofree char *protocol = variable_prefix(protocol_names[port->protocol]);

	return string_printf("_PORT_%lld_%s%s", (long long)port->port, protocol, more);
}

/* Three and more in a row are told once more, as a whole, whatever their protocols: the end by its own. */
static void tell_range(const Variables *variables, const LinkedPort *first, const LinkedPort *last)
{
	const LinkedPort named = {first->port, last->protocol};
	autofree char *name = port_name(first, ""), *start = port_name(first, "_START");
	autofree char *end_name = port_name(&named, ""), *end = port_name(&named, "_END");

	tell_port(variables, start, first);
	strings_printf(variables->list, "%s%s_PORT_START=%lld", variables->prefix, name, (long long)first->port);
	tell_port(variables, end, last);
	strings_printf(variables->list, "%s%s_PORT_END=%lld", variables->prefix, end_name, (long long)last->port);
}

static void tell_ranges(const Variables *variables)
{
	const LinkedPort *ports = variables->ports;

	for (size_t first = 0, last; first < variables->port_count; first = last + 1) {
		last = first;
		while (last + 1 < variables->port_count && ports[last + 1].port == ports[last].port + 1)
			last++;
		if (last > first + 1)
			tell_range(variables, &ports[first], &ports[last]);
	}
}

static void tell_ports(const Variables *variables)
{
	if (variables->port_count)
		tell_port(variables, "_PORT", &variables->ports[0]);
	tell_ranges(variables);
	for (size_t i = 0; i < variables->port_count; i++) {
		const LinkedPort *port = &variables->ports[i];
		autofree char *name = port_name(port, "");
		tell_port(variables, name, port);
		strings_printf(variables->list, "%s%s_ADDR=%s", variables->prefix, name, variables->address);
		strings_printf(variables->list, "%s%s_PORT=%lld", variables->prefix, name, (long long)port->port);
		strings_printf(
			variables->list, "%s%s_PROTO=%s", variables->prefix, name, protocol_names[port->protocol]);
	}
}

/* Its own, but for those that every container has. */
static void tell_variables(const Variables *variables, const StringList *env)
{
	for (size_t i = 0; i < env->count; i++)
		if (strchr(env->items[i], '=') && !string_starts(env->items[i], "HOME=") &&
			!string_starts(env->items[i], "PATH="))
			strings_printf(variables->list, "%s_ENV_%s", variables->prefix, env->items[i]);
}

static void tell_link(StringList *ret, const Container *container, const Link *link)
{
	const Endpoint *endpoint = container_endpoint_on(link->other, link->network->id);
	autoclear(Variables) variables = {.list = ret};

	if (!endpoint)
		return;
	variables.prefix = variable_prefix(link->alias);
	variables.address = mem_strndup(endpoint->ipv4, strcspn(endpoint->ipv4, "/"));
	read_ports(&variables, &link->other->record.spec.exposed_ports);
	tell_ports(&variables);
	strings_printf(ret, "%s_NAME=/%s/%s", variables.prefix, container->record.name, link->alias);
	tell_variables(&variables, &link->other->record.spec.env);
}

void links_variables(StringList *ret, const Container *container)
{
	autoclear(Links) links = {0};

	read_own_links(&links, container);
	for (size_t i = 0; i < links.count; i++)
		tell_link(ret, container, &links.items[i]);
}

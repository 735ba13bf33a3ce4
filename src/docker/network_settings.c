// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "docker/network.h"

enum { PORT_NAME_MAX = 16, SHORT_ID = 12 };

/* ---- which networks ---- */

static bool find_view(NetworkView *ret, const DockerApi *api, const char *name)
{
	Network *network;
	Error *error = network_find(&network, api->engine, name);

	if (error)
		return error_free(error); /* it was removed behind the container's back */
	network_view(network, ret);
	return true;
}

const char *network_name(const DockerApi *api, const char *id)
{
	NetworkView view;

	return find_view(&view, api, id) ? view.spec->name : "";
}

static bool is_called(const DockerApi *api, const char *id, const char *wanted)
{
	return string_equal(network_name(api, id), wanted) || (*wanted && string_starts(id, wanted));
}

bool container_is_on(const DockerApi *api, const Container *container, const char *network)
{
	NetworkView builtin;
	ContainerView view;

	container_view(container, &view);
	const EndpointSpec *endpoints = view.spec->endpoints.items;
	for (size_t i = 0; i < view.spec->endpoints.count; i++)
		if (is_called(api, endpoints[i].network, network))
			return true;
	return network_builtin_of(view.spec) && find_view(&builtin, api, network_builtin_of(view.spec)) &&
	       is_called(api, builtin.id, network);
}

/* ---- one endpoint ---- */

/* What is asked, and what the run has of it. */
typedef struct Joined {
	const char *name; /* of the network */
	const EndpointSpec *asked;
	const Endpoint *given; /* NULL: it does not run */
	bool is_predefined;
} Joined;

static void write_list_or_null(Writer *writer, const char *key, const StringList *list)
{
	if (list->count)
		write_strings(writer, key, list);
	else
		write_null(writer, key);
}

static void write_asked_address(Writer *writer, const char *key, const char *address)
{
	if (!string_empty(address))
		write_string(writer, key, address);
}

static void write_ipam_config(Writer *writer, const EndpointSpec *asked)
{
	if (string_empty(asked->ipv4) && string_empty(asked->ipv6) && !asked->link_local.count) {
		write_null(writer, "IPAMConfig");
		return;
	}
	write_object(writer, "IPAMConfig");
	write_asked_address(writer, "IPv4Address", asked->ipv4);
	write_asked_address(writer, "IPv6Address", asked->ipv6);
	if (asked->link_local.count)
		write_strings(writer, "LinkLocalIPs", &asked->link_local);
	write_object_end(writer);
}

/* "ID:ALIAS", shown with the name that the container has now. */
static void write_link(Writer *writer, const DockerApi *api, const char *link)
{
	size_t length = strcspn(link, ":");
	autofree char *id = mem_strndup(link, length);
	Container *container = NULL;
	ContainerView view = {.name = id};
	Error *error = container_find(&container, api->engine, id);

	error_free(error); /* it was removed: its id is what is left */
	if (container)
		container_view(container, &view);
	write_stringf(writer, NULL, "%s%s", view.name, link + length);
}

/* Those on the default network are shown in HostConfig. */
static void write_links(Writer *writer, const DockerApi *api, const Joined *joined)
{
	const StringList *links = &joined->asked->links;

	if (!links->count || joined->is_predefined) {
		write_null(writer, "Links");
		return;
	}
	write_array(writer, "Links");
	for (size_t i = 0; i < links->count; i++)
		write_link(writer, api, links->items[i]);
	write_array_end(writer);
}

/* Beside what was asked, the names that a container has on any network of the user's own. */
static void write_aliases(Writer *writer, const Joined *joined, const ContainerView *view)
{
	autoclear(StringList) names = {0};
	autofree char *short_id = mem_strndup(view->id, SHORT_ID);

	strings_copy(&names, &joined->asked->aliases);
	if (!joined->is_predefined && !strings_has(&names, short_id))
		strings_add(&names, short_id);
	if (!joined->is_predefined && !string_empty(view->spec->hostname) && !strings_has(&names, view->spec->hostname))
		strings_add(&names, view->spec->hostname);
	write_list_or_null(writer, "Aliases", &names);
}

/* "172.17.0.2/16" as an address and a length. */
static void write_address(Writer *writer, const char *key, const char *length_key, const char *text)
{
	const char *slash = strchr(text, '/');

	write_string_n(writer, key, text, slash ? (size_t)(slash - text) : strlen(text));
	write_int(writer, length_key, slash ? atoi(slash + 1) : 0);
}

static const Endpoint no_endpoint;

static void write_given(Writer *writer, const Endpoint *given)
{
	write_string(writer, "EndpointID", given->id);
	write_string(writer, "Gateway", given->gateway4);
	write_address(writer, "IPAddress", "IPPrefixLen", given->ipv4 ? given->ipv4 : "");
	write_string(writer, "IPv6Gateway", given->gateway6);
	write_address(writer, "GlobalIPv6Address", "GlobalIPv6PrefixLen", given->ipv6 ? given->ipv6 : "");
	write_string(writer, "MacAddress", given->mac);
}

/* view NULL: the list's form, without what was asked of names. */
static void write_joined(Writer *writer, const DockerApi *api, const Joined *joined, const ContainerView *view)
{
	write_object(writer, joined->name);
	write_ipam_config(writer, joined->asked);
	if (view) {
		write_links(writer, api, joined);
		write_aliases(writer, joined, view);
	} else {
		write_null(writer, "Links");
		write_null(writer, "Aliases");
	}
	write_string(writer, "NetworkID", joined->asked->network);
	write_given(writer, joined->given ? joined->given : &no_endpoint);
	if (joined->asked->options.count)
		write_map(writer, "DriverOpts", &joined->asked->options);
	else
		write_null(writer, "DriverOpts");
	if (joined->asked->priority)
		write_int(writer, "GwPriority", joined->asked->priority);
	write_object_end(writer);
}

static int compare_names(const void *a, const void *b)
{
	return strcmp(((const Joined *)a)->name, ((const Joined *)b)->name);
}

/* By name; the array is the caller's. */
static Joined *joined_of(const DockerApi *api, const Container *container, const ContainerSpec *spec)
{
	const EndpointSpec *asked = spec->endpoints.items;
	Joined *list = mem_array(NULL, spec->endpoints.count + 1, sizeof(Joined));

	for (size_t i = 0; i < spec->endpoints.count; i++) {
		NetworkView view;
		bool is_there = find_view(&view, api, asked[i].network);
		list[i] = (Joined){is_there ? view.spec->name : asked[i].network, &asked[i],
			container_endpoint_on(container, asked[i].network), is_there && view.is_predefined};
	}
	qsort(list, spec->endpoints.count, sizeof(Joined), compare_names);
	return list;
}

/* What a container on "host" or "none" says of it is always the same: lists of many containers are quick. */
static const char *const builtin_names[] = {NETWORK_HOST, NETWORK_NONE};

void networks_prepare(DockerApi *api)
{
	for (size_t i = 0; i < COUNT(builtin_names); i++) {
		autoclear(Buffer) out = {0};
		NetworkView view;
		Writer writer;
		EndpointSpec asked = {.network = find_view(&view, api, builtin_names[i]) ? (char *)view.id : NULL};
		writer_init(&writer, &out);
		write_joined(&writer, api, &(Joined){.asked = &asked}, NULL);
		api->endpoints[i] = buffer_steal(&out);
	}
}

void networks_clear(DockerApi *api)
{
	for (size_t i = 0; i < COUNT(builtin_names); i++)
		free(api->endpoints[i]);
}

static void write_networks(
	Writer *writer, const DockerApi *api, const Container *container, const ContainerView *view, bool is_short)
{
	const char *builtin = network_builtin_of(view->spec);

	write_object(writer, "Networks");
	if (builtin) {
		write_raw(writer, builtin, api->endpoints[names_find(builtin_names, COUNT(builtin_names), builtin)]);
	} else {
		autofree Joined *list = joined_of(api, container, view->spec);
		for (size_t i = 0; i < view->spec->endpoints.count; i++)
			write_joined(writer, api, &list[i], is_short ? NULL : view);
	}
	write_object_end(writer);
}

/* ---- ports ---- */

typedef struct ShownPort {
	char name[PORT_NAME_MAX]; /* "80/tcp": they are in the order of these */
	int64_t port;
	int protocol;
	const PortBinding *binding; /* NULL: exposed, not published */
} ShownPort;

static ShownPort shown_port(int64_t port, int protocol, const PortBinding *binding)
{
	ShownPort shown = {.port = port, .protocol = protocol, .binding = binding};

	snprintf(shown.name, sizeof(shown.name), "%d/%s", (int)port, protocol_names[protocol]);
	return shown;
}

/* Those of a port as they came: an array's members follow each other in memory. */
static int compare_ports(const void *left, const void *right)
{
	const ShownPort *a = left, *b = right;
	int order = strcmp(a->name, b->name);

	return order ? order : (a->binding > b->binding) - (a->binding < b->binding);
}

static size_t add_exposed(ShownPort *ret, const ContainerSpec *spec)
{
	size_t count = 0;

	for (size_t i = 0; i < spec->exposed_ports.count; i++) {
		int64_t port;
		int protocol;
		Error *error = port_parse(&port, &protocol, spec->exposed_ports.items[i]);
		if (!error)
			ret[count++] = shown_port(port, protocol, NULL);
		error_free(error); /* an image's port that is none is nobody's */
	}
	return count;
}

static size_t drop_published(ShownPort *ports, size_t count)
{
	size_t kept = 0;

	for (size_t i = 0; i < count; i++) {
		bool is_told_behind = i + 1 < count && string_equal(ports[i].name, ports[i + 1].name);
		if (ports[i].binding || !is_told_behind)
			ports[kept++] = ports[i];
	}
	return kept;
}

/* What a container that is reached through the host exposes or publishes; the array is the caller's. */
static size_t shown_ports(ShownPort **ret, const Container *container, const ContainerSpec *spec)
{
	size_t bound, count;
	const PortBinding *bindings = container_ports(container, &bound);
	ShownPort *ports;

	if (!container_is_published(container)) {
		*ret = NULL;
		return 0;
	}
	ports = mem_array(NULL, bound + spec->exposed_ports.count + 1, sizeof(ShownPort));
	count = add_exposed(ports, spec);
	for (size_t i = 0; i < bound; i++)
		ports[count++] = shown_port(bindings[i].port, bindings[i].protocol, &bindings[i]);
	qsort(ports, count, sizeof(ShownPort), compare_ports);
	*ret = ports;
	return drop_published(ports, count);
}

static void write_ports(Writer *writer, const Container *container, const ContainerSpec *spec)
{
	autofree ShownPort *ports = NULL;
	size_t count = shown_ports(&ports, container, spec);

	write_object(writer, "Ports");
	for (size_t i = 0; i < count; i++) {
		if (!ports[i].binding) {
			write_null(writer, ports[i].name);
			continue;
		}
		if (i == 0 || !string_equal(ports[i - 1].name, ports[i].name))
			write_array(writer, ports[i].name);
		write_object(writer, NULL);
		write_string(writer, "HostIp", ports[i].binding->host_address);
		write_stringf(writer, "HostPort", "%d", (int)ports[i].binding->host_port);
		write_object_end(writer);
		if (i + 1 == count || !string_equal(ports[i].name, ports[i + 1].name))
			write_array_end(writer);
	}
	write_object_end(writer);
}

void write_ports_listed(Writer *writer, const Container *container)
{
	autofree ShownPort *ports = NULL;
	ContainerView view;
	size_t count;

	container_view(container, &view);
	count = shown_ports(&ports, container, view.spec);
	write_array(writer, "Ports");
	for (size_t i = 0; i < count; i++) {
		write_object(writer, NULL);
		if (ports[i].binding)
			write_string(writer, "IP", ports[i].binding->host_address);
		write_int(writer, "PrivatePort", ports[i].port);
		if (ports[i].binding)
			write_int(writer, "PublicPort", ports[i].binding->host_port);
		write_string(writer, "Type", protocol_names[ports[i].protocol]);
		write_object_end(writer);
	}
	write_array_end(writer);
}

/* ---- the whole ---- */

/* The endpoint on the default network, which the members have that were there before there were others. */
static const Endpoint *default_endpoint(const DockerApi *api, const Container *container)
{
	size_t count;
	const Endpoint *endpoints = container_endpoints(container, &count);

	for (size_t i = 0; i < count; i++)
		if (!endpoints[i].is_leaving && string_equal(network_name(api, endpoints[i].network), NETWORK_BRIDGE))
			return &endpoints[i];
	return &no_endpoint;
}

static void write_sandbox(Writer *writer, const ContainerView *view)
{
	bool is_live = view->pid > 0;

	write_string(writer, "Bridge", "");
	write_string(writer, "SandboxID", is_live ? view->id : "");
	if (is_live)
		write_stringf(writer, "SandboxKey", "/proc/%d/ns/net", view->pid);
	else
		write_string(writer, "SandboxKey", "");
	write_bool(writer, "HairpinMode", false);
	write_string(writer, "LinkLocalIPv6Address", "");
	write_int(writer, "LinkLocalIPv6PrefixLen", 0);
	write_null(writer, "SecondaryIPAddresses");
	write_null(writer, "SecondaryIPv6Addresses");
}

void write_network_settings(Writer *writer, const DockerApi *api, const Container *container, int version)
{
	ContainerView view;

	container_view(container, &view);
	write_object(writer, "NetworkSettings");
	write_sandbox(writer, &view);
	write_ports(writer, container, view.spec);
	write_given(writer, default_endpoint(api, container));
	if (version >= 21)
		write_networks(writer, api, container, &view, false);
	write_object_end(writer);
}

void write_network_settings_short(Writer *writer, const DockerApi *api, const Container *container)
{
	ContainerView view;

	container_view(container, &view);
	write_object(writer, "NetworkSettings");
	write_networks(writer, api, container, &view, true);
	write_object_end(writer);
}

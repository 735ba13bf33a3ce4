// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "docker/filters.h"
#include "docker/internal.h"
#include "docker/network.h"

static const struct Builtin {
	const char *name, *driver;
} builtins[] = {{"host", "host"}, {"none", "null"}};

enum { BUILTINS = sizeof(builtins) / sizeof(builtins[0]) };

/* ---- what containers say ---- */

const char *network_mode_shown(const ContainerSpec *spec)
{
	return string_empty(spec->network_mode) ? "default" : spec->network_mode;
}

const char *network_of(const ContainerSpec *spec)
{
	if (string_equal(spec->network_mode, "host"))
		return "host";
	return string_starts(network_mode_shown(spec), "container:") ? NULL : "none";
}

/* The device's own id, turned by the name: made up once, and kept for as long as the device's. */
void network_id(char ret[65], const DockerApi *api, const char *name)
{
	uint64_t hash = 0xcbf29ce484222325; /* FNV-1a */

	for (const char *c = name; *c; c++)
		hash = (hash ^ (unsigned char)*c) * 0x100000001b3;
	for (const char *c = api->device_id; *c; c++)
		hash = (hash ^ (unsigned char)*c) * 0x100000001b3;
	snprintf(ret, 65, "%016llx%.48s", (unsigned long long)hash, api->device_id);
	for (size_t i = strlen(ret); i < 64; i++)
		ret[i] = '0';
	ret[64] = '\0';
}

static void write_endpoint(Writer *writer, const DockerApi *api, const char *name)
{
	char id[65];

	network_id(id, api, name);
	write_object(writer, NULL);
	write_null(writer, "IPAMConfig");
	write_null(writer, "Links");
	write_null(writer, "Aliases");
	write_string(writer, "NetworkID", id);
	write_string(writer, "EndpointID", "");
	write_string(writer, "Gateway", "");
	write_string(writer, "IPAddress", "");
	write_int(writer, "IPPrefixLen", 0);
	write_string(writer, "IPv6Gateway", "");
	write_string(writer, "GlobalIPv6Address", "");
	write_int(writer, "GlobalIPv6PrefixLen", 0);
	write_string(writer, "MacAddress", "");
	write_null(writer, "DriverOpts");
	write_object_end(writer);
}

void networks_prepare(DockerApi *api)
{
	for (size_t i = 0; i < BUILTINS; i++) {
		autoclear(Buffer) out = {0};
		Writer writer;
		writer_init(&writer, &out);
		write_endpoint(&writer, api, builtins[i].name);
		api->endpoints[i] = buffer_steal(&out);
	}
}

void networks_clear(DockerApi *api)
{
	for (size_t i = 0; i < BUILTINS; i++)
		free(api->endpoints[i]);
}

static void write_endpoints(Writer *writer, const DockerApi *api, const ContainerView *view)
{
	const char *name = network_of(view->spec);

	write_object(writer, "Networks");
	for (size_t i = 0; i < BUILTINS; i++)
		if (string_equal(builtins[i].name, name))
			write_raw(writer, name, api->endpoints[i]);
	write_object_end(writer);
}

void write_network_settings_short(Writer *writer, const DockerApi *api, const ContainerView *view)
{
	write_object(writer, "NetworkSettings");
	write_endpoints(writer, api, view);
	write_object_end(writer);
}

void write_network_settings(Writer *writer, const DockerApi *api, const ContainerView *view, int version)
{
	static const char *const empty[] = {"Bridge", "EndpointID", "Gateway", "GlobalIPv6Address", "IPAddress",
		"IPv6Gateway", "LinkLocalIPv6Address", "MacAddress"};
	static const char *const zero[] = {"GlobalIPv6PrefixLen", "IPPrefixLen", "LinkLocalIPv6PrefixLen"};
	bool is_live = view->pid > 0;

	write_object(writer, "NetworkSettings");
	write_string(writer, "SandboxID", is_live ? view->id : "");
	if (is_live)
		write_stringf(writer, "SandboxKey", "/proc/%d/ns/net", view->pid);
	else
		write_string(writer, "SandboxKey", "");
	for (size_t i = 0; i < sizeof(empty) / sizeof(empty[0]); i++)
		write_string(writer, empty[i], "");
	for (size_t i = 0; i < sizeof(zero) / sizeof(zero[0]); i++)
		write_int(writer, zero[i], 0);
	write_bool(writer, "HairpinMode", false);
	write_null(writer, "SecondaryIPAddresses");
	write_null(writer, "SecondaryIPv6Addresses");
	write_raw(writer, "Ports", "{}");
	if (version >= 21)
		write_endpoints(writer, api, view);
	write_object_end(writer);
}

/* ---- the resource ---- */

static void write_members(Writer *writer, const DockerApi *api, const char *name)
{
	Container **list;
	size_t count = container_list(&list, api->engine);

	write_object(writer, "Containers");
	for (size_t i = 0; i < count; i++) {
		ContainerView view;
		container_view(list[i], &view);
		if (!container_is_live(list[i]) || !string_equal(network_of(view.spec), name))
			continue;
		write_object(writer, view.id);
		write_string(writer, "Name", view.name);
		write_string(writer, "EndpointID", "");
		write_string(writer, "MacAddress", "");
		write_string(writer, "IPv4Address", "");
		write_string(writer, "IPv6Address", "");
		write_object_end(writer);
	}
	write_object_end(writer);
	free(list);
}

static void write_network(Writer *writer, const DockerApi *api, const struct Builtin *network, bool with_members)
{
	char id[65];

	network_id(id, api, network->name);
	write_object(writer, NULL);
	write_string(writer, "Name", network->name);
	write_string(writer, "Id", id);
	write_string(writer, "Created", "0001-01-01T00:00:00Z");
	write_string(writer, "Scope", "local");
	write_string(writer, "Driver", network->driver);
	write_bool(writer, "EnableIPv6", false);
	write_raw(writer, "IPAM", "{\"Driver\":\"default\",\"Options\":null,\"Config\":[]}");
	write_bool(writer, "Internal", false);
	write_bool(writer, "Attachable", false);
	write_bool(writer, "Ingress", false);
	write_raw(writer, "ConfigFrom", "{\"Network\":\"\"}");
	write_bool(writer, "ConfigOnly", false);
	if (with_members)
		write_members(writer, api, network->name);
	else
		write_raw(writer, "Containers", "{}");
	write_raw(writer, "Options", "{}");
	write_raw(writer, "Labels", "{}");
	write_object_end(writer);
}

/* All that is there is predefined, which Docker never calls dangling. */
static bool is_dangling_wanted(const Filters *filters)
{
	bool given, wanted;
	Error *error = filters_bool(filters, "dangling", &given, &wanted);

	error_free(error); /* it was checked */
	return given && wanted;
}

static bool network_fits(const Filters *filters, const DockerApi *api, const struct Builtin *network)
{
	static const StringMap no_labels = {0};
	char id[65];

	network_id(id, api, network->name);
	return !is_dangling_wanted(filters) && filters_exact(filters, "driver", network->driver) &&
	       filters_pattern(filters, "name", network->name) && filters_pattern(filters, "id", id) &&
	       filters_exact(filters, "scope", "local") && filters_exact(filters, "type", "builtin") &&
	       filters_labels(filters, &no_labels);
}

static fallible read_list_filters(Filters *ret, const HttpRequest *request)
{
	static const char *const known[] = {"driver", "name", "id", "scope", "type", "label", "dangling", NULL};
	static const char *const types[] = {"builtin", "custom"};
	const StringList *asked;
	bool given, dangling;

	TRY(filters_read(ret, request, known));
	TRY(filters_bool(ret, "dangling", &given, &dangling));
	asked = filters_values(ret, "type");
	for (size_t i = 0; asked && i < asked->count; i++)
		if (names_find(types, 2, asked->items[i]) < 0)
			return error_new(ERROR_INVALID, "invalid filter: 'type'='%.64s'", asked->items[i]);
	return NULL;
}

static void list_networks(HttpRequest *request, void *context)
{
	autoclear(Filters) filters = {0};
	autoclear(Buffer) out = {0};
	Error *error = read_list_filters(&filters, request);
	Writer writer;

	if (error) {
		http_respond_error(request, error);
		return;
	}
	writer_init(&writer, &out);
	write_array(&writer, NULL);
	for (size_t i = 0; i < BUILTINS; i++)
		if (network_fits(&filters, context, &builtins[i]))
			write_network(&writer, context, &builtins[i], false);
	write_array_end(&writer);
	respond_json(request, 200, &out);
}

static const struct Builtin *find_network(const DockerApi *api, const char *name)
{
	char id[65];

	for (size_t i = 0; i < BUILTINS; i++) {
		network_id(id, api, builtins[i].name);
		if (string_equal(builtins[i].name, name) || (strlen(name) >= 4 && string_starts(id, name)))
			return &builtins[i];
	}
	return NULL;
}

static fallible no_network(const HttpRequest *request)
{
	return error_new(ERROR_NOT_FOUND, "network %.300s not found", http_request_param(request, "id"));
}

static void inspect_network(HttpRequest *request, void *context)
{
	const struct Builtin *network = find_network(context, http_request_param(request, "id"));
	autoclear(Buffer) out = {0};
	Writer writer;

	if (!network) {
		http_respond_error(request, no_network(request));
		return;
	}
	writer_init(&writer, &out);
	write_network(&writer, context, network, true);
	respond_json(request, 200, &out);
}

static void remove_network(HttpRequest *request, void *context)
{
	const struct Builtin *network = find_network(context, http_request_param(request, "id"));

	http_respond_error(request,
		network ? error_new(ERROR_FORBIDDEN, "%s is a pre-defined network and cannot be removed", network->name)
			: no_network(request));
}

/* ---- changing: the rules for what is predefined are Docker's; there is nothing else yet ---- */

static bool is_predefined(const char *name)
{
	static const char *const names[] = {"bridge", "host", "none", "default"};

	return names_find(names, sizeof(names) / sizeof(names[0]), name) >= 0;
}

static fallible refuse_network(const HttpRequest *request)
{
	static const char *const later[] = {"bridge", "macvlan", "ipvlan", "overlay"};
	autoptr(Value) body = NULL;
	const char *name, *driver;

	TRY(request_object(&body, request));
	name = value_string(value_get(body, "Name"));
	driver = value_string(value_get(body, "Driver"));
	driver = string_empty(driver) ? "bridge" : driver;
	if (string_empty(name))
		return error_new(ERROR_INVALID, "invalid name: ");
	if (is_predefined(name))
		return error_new(ERROR_FORBIDDEN, "operation is not permitted on predefined %s network ", name);
	for (size_t i = 0; i < BUILTINS; i++)
		if (string_equal(builtins[i].driver, driver))
			return error_new(ERROR_FORBIDDEN, "only one instance of \"%s\" network is allowed", driver);
	if (names_find(later, sizeof(later) / sizeof(later[0]), driver) < 0)
		return error_new(ERROR_NOT_FOUND, "plugin \"%.64s\" not found", driver);
	return error_new(ERROR_UNSUPPORTED,
		"network \"%.64s\": making networks is not available yet; containers have \"host\" or \"none\"", name);
}

static void make_network(HttpRequest *request, void *context)
{
	(void)context;
	http_respond_error(request, refuse_network(request));
}

static fallible find_member(Container **ret, const struct Builtin **ret_network, HttpRequest *request, DockerApi *api)
{
	autoptr(Value) body = NULL;
	const char *name;

	TRY(request_object(&body, request));
	name = value_string(value_get(body, "Container"));
	TRY(container_find(ret, api->engine, name ? name : ""));
	*ret_network = find_network(api, http_request_param(request, "id"));
	return *ret_network ? NULL : no_network(request);
}

/* A container that does not run joins what its network mode names when it starts: there is nothing to be done now. */
static fallible check_connect(const Container *container, const struct Builtin *network)
{
	ContainerView view;

	container_view(container, &view);
	bool is_host = string_equal(network->name, "host"), on_host = string_equal(network_of(view.spec), "host");
	if (is_host && !on_host)
		return error_new(ERROR_INVALID,
			"container cannot be disconnected from host network or connected to host network");
	if (!is_host && (on_host || (!network_of(view.spec) && container_is_live(container))))
		return error_new(ERROR_INVALID, "container sharing network namespace with another container or host "
						"cannot be connected to any other network");
	if (container_is_live(container))
		return error_new(ERROR_FORBIDDEN, "endpoint with name %s already exists in network %s", view.name,
			network->name);
	return NULL;
}

static fallible check_disconnect(const Container *container, const struct Builtin *network)
{
	ContainerView view;

	container_view(container, &view);
	if (!string_equal(network_of(view.spec), network->name))
		return error_new(
			ERROR_INTERNAL, "container %s is not connected to the network %s", view.id, network->name);
	if (string_equal(network->name, "host") && container_is_live(container))
		return error_new(ERROR_INVALID,
			"container cannot be disconnected from host network or connected to host network");
	return NULL;
}

static void join(HttpRequest *request, DockerApi *api,
	Error *(*check)(const Container *container, const struct Builtin *network))
{
	const struct Builtin *network;
	Container *container;
	Error *error = find_member(&container, &network, request, api);

	if (!error)
		error = check(container, network);
	if (error)
		http_respond_error(request, error);
	else
		respond_status(request, 200);
}

static void connect_network(HttpRequest *request, void *context)
{
	join(request, context, check_connect);
}

static void disconnect_network(HttpRequest *request, void *context)
{
	join(request, context, check_disconnect);
}

static void prune_networks(HttpRequest *request, void *context)
{
	static const char *const known[] = {"until", "label", "label!", NULL};
	static const char body[] = "{\"NetworksDeleted\":null}\n";
	autoclear(Filters) filters = {0};
	int64_t until_ns = 0;
	Error *error = filters_read(&filters, request, known);

	(void)context;
	if (!error)
		error = filters_until(&filters, &until_ns);
	if (error)
		http_respond_error(request, error);
	else
		http_respond(request, 200, "application/json", body, sizeof(body) - 1);
}

const HttpRoute network_routes[] = {
	{"GET", "/networks", list_networks, DOCKER_MONITOR, 0},
	{"POST", "/networks/create", make_network, 0, 0},
	{"POST", "/networks/prune", prune_networks, 0, 0},
	{"GET", "/networks/{id}", inspect_network, DOCKER_MONITOR, 0},
	{"DELETE", "/networks/{id}", remove_network, 0, 0},
	{"POST", "/networks/{id}/connect", connect_network, 0, 0},
	{"POST", "/networks/{id}/disconnect", disconnect_network, 0, 0},
	{0},
};

// SPDX-License-Identifier: Apache-2.0
/* Networks as a resource: list, inspect, remove, prune, connect and disconnect. network_create.c makes them. */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "docker/call.h"
#include "docker/filters.h"
#include "docker/network.h"
#include "docker/network_create.h"
#include "engine/event.h"

static Network *find_network(HttpRequest *request, void *context)
{
	Network *network = NULL;
	Error *error = network_find(&network, docker_engine(context), http_request_param(request, "id"));

	if (error)
		http_respond_error(request, error);
	return network;
}

/* ---- one network ---- */

/* One that runs on the host's network, or on none, is there without an endpoint. */
static bool find_member(Endpoint *ret, const Container *container, const NetworkView *network)
{
	const Endpoint *endpoint = container_endpoint_on(container, network->id);
	ContainerView view;

	container_view(container, &view);
	if (endpoint)
		*ret = *endpoint;
	return endpoint ||
	       (container_is_live(container) && string_equal(network_builtin_of(view.spec), network->spec->name));
}

static void write_member(Writer *writer, const Container *container, const Endpoint *endpoint)
{
	ContainerView view;

	container_view(container, &view);
	write_object(writer, view.id);
	write_string(writer, "Name", view.name);
	write_string(writer, "EndpointID", endpoint->id);
	write_string(writer, "MacAddress", endpoint->mac);
	write_string(writer, "IPv4Address", endpoint->ipv4);
	write_string(writer, "IPv6Address", endpoint->ipv6);
	write_object_end(writer);
}

static void write_members(Writer *writer, const DockerApi *api, const NetworkView *network)
{
	Container **list;
	size_t count = container_list(&list, api->engine);

	write_object(writer, "Containers");
	for (size_t i = 0; i < count; i++) {
		Endpoint endpoint = {0};
		if (find_member(&endpoint, list[i], network))
			write_member(writer, list[i], &endpoint);
	}
	write_object_end(writer);
	free(list);
}

static void write_given(Writer *writer, const char *key, const char *text)
{
	if (!string_empty(text))
		write_string(writer, key, text);
}

static void write_pool(Writer *writer, const PoolSpec *pool)
{
	write_object(writer, NULL);
	write_given(writer, "Subnet", pool->subnet);
	write_given(writer, "IPRange", pool->range);
	write_given(writer, "Gateway", pool->gateway);
	if (pool->auxiliary.count)
		write_map(writer, "AuxiliaryAddresses", &pool->auxiliary);
	write_object_end(writer);
}

static void write_ipam(Writer *writer, const NetworkSpec *spec)
{
	const PoolSpec *pools = spec->pools.items;

	write_object(writer, "IPAM");
	write_string(writer, "Driver", "default");
	if (spec->ipam_options_given)
		write_map(writer, "Options", &spec->ipam_options);
	else
		write_null(writer, "Options");
	write_array(writer, "Config");
	for (size_t i = 0; i < spec->pools.count; i++)
		write_pool(writer, &pools[i]);
	write_array_end(writer);
	write_object_end(writer);
}

static void write_created(Writer *writer, int64_t created_ns)
{
	char text[CLOCK_TEXT_MAX];

	clock_format(text, created_ns);
	write_string(writer, "Created", created_ns ? text : "0001-01-01T00:00:00Z");
}

/* What Docker has of the default network by its own configuration. */
static void write_options(Writer *writer, const DockerApi *api, const NetworkView *view)
{
	static const struct {
		const char *key, *value;
	} fixed[] = {
		{"com.docker.network.bridge.default_bridge", "true"},
		{"com.docker.network.bridge.enable_icc", "true"},
		{"com.docker.network.bridge.enable_ip_masquerade", "true"},
		{"com.docker.network.bridge.host_binding_ipv4", "0.0.0.0"},
		{"com.docker.network.driver.mtu", "1500"},
	};

	if (!view->is_predefined || view->spec->driver != NETWORK_DRIVER_BRIDGE) {
		write_map(writer, "Options", &view->spec->options);
		return;
	}
	write_object(writer, "Options");
	for (size_t i = 0; i < COUNT(fixed); i++)
		write_string(writer, fixed[i].key, fixed[i].value);
	write_string(writer, "com.docker.network.bridge.name", engine_config(api->engine)->bridge);
	write_object_end(writer);
}

static void write_network(Writer *writer, const DockerApi *api, Network *network, bool with_members)
{
	NetworkView view;

	network_view(network, &view);
	write_object(writer, NULL);
	write_string(writer, "Name", view.spec->name);
	write_string(writer, "Id", view.id);
	write_created(writer, view.created_ns);
	write_string(writer, "Scope", "local");
	write_string(writer, "Driver", network_driver_names[view.spec->driver]);
	write_bool(writer, "EnableIPv6", view.spec->has_ipv6);
	write_ipam(writer, view.spec);
	write_bool(writer, "Internal", view.spec->is_internal);
	write_bool(writer, "Attachable", view.spec->is_attachable);
	write_bool(writer, "Ingress", false);
	write_raw(writer, "ConfigFrom", "{\"Network\":\"\"}");
	write_bool(writer, "ConfigOnly", false);
	if (with_members)
		write_members(writer, api, &view);
	else
		write_raw(writer, "Containers", "{}");
	write_options(writer, api, &view);
	write_map(writer, "Labels", &view.spec->labels);
	write_object_end(writer);
}

/* ---- list ---- */

/* "dangling" asks for those of the user's own that no container is on, or for all others. */
static bool fits_dangling(const Filters *filters, const Network *network, const NetworkView *view)
{
	bool given, wanted;

	error_free(filters_bool(filters, "dangling", &given, &wanted)); /* it was checked */
	return !given || wanted == (!view->is_predefined && !network_is_used(network));
}

static bool network_fits(const Filters *filters, Network *network)
{
	NetworkView view;

	if (filters->count == 0)
		return true;
	network_view(network, &view);
	return filters_exact(filters, "driver", network_driver_names[view.spec->driver]) &&
	       filters_pattern(filters, "name", view.spec->name) && filters_pattern(filters, "id", view.id) &&
	       filters_exact(filters, "scope", "local") &&
	       filters_exact(filters, "type", view.is_predefined ? "builtin" : "custom") &&
	       filters_labels(filters, &view.spec->labels) && fits_dangling(filters, network, &view);
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
		if (names_find(types, COUNT(types), asked->items[i]) < 0)
			return error_new(ERROR_INVALID, "invalid filter: 'type'='%.64s'", asked->items[i]);
	return NULL;
}

/* Until 1.27 with the containers on them. */
static void list_networks(HttpRequest *request, void *context)
{
	autoclear(Filters) filters = {0};
	autoclear(Buffer) out = {0};
	Error *error = read_list_filters(&filters, request);
	Network **list;
	Writer writer;

	if (error) {
		http_respond_error(request, error);
		return;
	}
	writer_init(&writer, &out);
	write_array(&writer, NULL);
	size_t count = network_list(&list, docker_engine(context));
	for (size_t i = 0; i < count; i++)
		if (network_fits(&filters, list[i]))
			write_network(&writer, context, list[i], docker_version(request) < 28);
	write_array_end(&writer);
	free(list);
	respond_json(request, 200, &out);
}

/* ---- inspect and remove ---- */

/* "verbose" asks for services of a cluster. Another scope than ours has nothing in it. */
static fallible check_query(const HttpRequest *request)
{
	static const char *const truths[] = {
		"1", "t", "T", "true", "TRUE", "True", "0", "f", "F", "false", "FALSE", "False"};
	const char *verbose = http_request_query(request, "verbose"), *scope = http_request_query(request, "scope");

	if (!string_empty(verbose) && names_find(truths, COUNT(truths), verbose) < 0)
		return error_new(ERROR_INVALID, "invalid value for verbose: %.64s", verbose);
	if (!string_empty(scope) && !string_equal(scope, "local"))
		return error_new(ERROR_NOT_FOUND, "network %.300s not found", http_request_param(request, "id"));
	return NULL;
}

static void inspect_network(HttpRequest *request, void *context)
{
	autoclear(Buffer) out = {0};
	Error *error = check_query(request);
	Network *network = error ? NULL : find_network(request, context);
	Writer writer;

	if (error)
		http_respond_error(request, error);
	if (!network)
		return;
	writer_init(&writer, &out);
	write_network(&writer, context, network, true);
	respond_json(request, 200, &out);
}

static void remove_network(HttpRequest *request, void *context)
{
	Network *network = find_network(request, context);
	Call *call;

	if (!network)
		return;
	call = call_new(request, NULL, 204);
	call_settle(call, network_remove(network, call_done, call), false);
}

/* ---- connect and disconnect ---- */

typedef struct JoinBody {
	char *container;
	bool force;
	Value *settings;
} JoinBody;

static const Field join_fields[] = {
	{.name = "Container", .kind = FIELD_STRING, .offset = offsetof(JoinBody, container)},
	{.name = "Force", .kind = FIELD_BOOL, .offset = offsetof(JoinBody, force)},
	{.name = "EndpointConfig", .kind = FIELD_VALUE, .offset = offsetof(JoinBody, settings)},
	FIELDS_END,
};

static void join_body_clear(JoinBody *body)
{
	fields_clear(join_fields, body);
}
DEFINE_AUTOCLEAR(JoinBody, join_body_clear)

static void endpoint_spec_clear(EndpointSpec *spec)
{
	fields_clear(endpoint_spec_fields, spec);
}
DEFINE_AUTOCLEAR(EndpointSpec, endpoint_spec_clear)

static fallible read_join(JoinBody *ret, const HttpRequest *request)
{
	autoptr(Value) value = NULL;

	TRY(request_object(&value, request));
	TRY(fields_read(join_fields, ret, value, 0));
	if (string_empty(ret->container))
		return error_new(ERROR_INVALID, "invalid name or ID supplied: \"\"");
	return NULL;
}

/* The container first, as Docker looks for them. */
static fallible find_both(
	Container **ret, Network **ret_network, const JoinBody *body, HttpRequest *request, Engine *engine)
{
	Network *network;
	Container *container;

	TRY(container_find(&container, engine, body->container));
	TRY(network_find(&network, engine, http_request_param(request, "id")));
	*ret = container;
	*ret_network = network;
	return NULL;
}

static fallible connect_both(HttpRequest *request, Engine *engine, Call **ret)
{
	autoclear(JoinBody) body = {0};
	autoclear(EndpointSpec) endpoint = {0};
	Container *container;
	Network *network;

	TRY(read_join(&body, request));
	TRY_WRAP(endpoint_settings_read(&endpoint, body.settings), "EndpointConfig");
	TRY(find_both(&container, &network, &body, request, engine));
	*ret = call_new(request, container, 200);
	return network_connect(network, container, &endpoint, call_done, *ret);
}

static fallible disconnect_both(HttpRequest *request, Engine *engine, Call **ret)
{
	autoclear(JoinBody) body = {0};
	Container *container;
	Network *network;

	TRY(read_join(&body, request));
	Error *error = find_both(&container, &network, &body, request, engine);
	if (error && body.force && error_kind(error) == ERROR_NOT_FOUND) {
		error_free(error); /* who forces looks for an endpoint, whosever it is */
		return error_new(ERROR_NOT_FOUND, "endpoint %.300s not found", body.container);
	}
	TRY(error);
	*ret = call_new(request, container, 200);
	return network_disconnect(network, container, call_done, *ret);
}

static void join(HttpRequest *request, void *context, Error *(*both)(HttpRequest *, Engine *, Call **))
{
	Call *call = NULL;
	Error *error = both(request, docker_engine(context), &call);

	if (call)
		call_settle(call, error, false);
	else if (error)
		http_respond_error(request, error);
}

static void connect_network(HttpRequest *request, void *context)
{
	join(request, context, connect_both);
}

static void disconnect_network(HttpRequest *request, void *context)
{
	join(request, context, disconnect_both);
}

/* ---- prune ---- */

/* One after another: each bridge takes its time. */
typedef struct Prune {
	Engine *engine;
	HttpRequest *request; /* NULL: the client left, the work goes on */
	StringList ids, names, removed;
} Prune;

static void prune_next(Prune *prune);

static void prune_gone(void *arg)
{
	((Prune *)arg)->request = NULL;
}

static void respond_pruned(HttpRequest *request, const StringList *removed)
{
	autoclear(Buffer) out = {0};
	Writer writer;

	writer_init(&writer, &out);
	write_object(&writer, NULL);
	if (removed->count)
		write_strings(&writer, "NetworksDeleted", removed);
	else
		write_null(&writer, "NetworksDeleted");
	write_object_end(&writer);
	respond_json(request, 200, &out);
}

static void prune_end(Prune *prune)
{
	event_pruned(prune->engine, "network", 0);
	if (prune->request)
		respond_pruned(prune->request, &prune->removed);
	strings_clear(&prune->ids);
	strings_clear(&prune->names);
	strings_clear(&prune->removed);
	free(prune);
}

/* The first of those that are left. */
static void prune_tell(Prune *prune, Error *take_error)
{
	if (take_error)
		error_log(take_error, "network \"%s\" was not pruned", prune->names.items[0]);
	else
		strings_add(&prune->removed, prune->names.items[0]);
	strings_remove(&prune->ids, 0);
	strings_remove(&prune->names, 0);
}

static void pruned_one(void *arg, Error *take_error)
{
	prune_tell(arg, take_error);
	prune_next(arg);
}

static fallible prune_first(Prune *prune)
{
	Network *network;

	TRY(network_find(&network, prune->engine, prune->ids.items[0]));
	return network_remove(network, pruned_one, prune);
}

static void prune_next(Prune *prune)
{
	while (prune->ids.count) {
		Error *error = prune_first(prune);
		if (!error)
			return; /* pruned_one() goes on */
		prune_tell(prune, error);
	}
	prune_end(prune);
}

static bool is_prunable(const Filters *filters, int64_t until_ns, const Network *network, const NetworkView *view)
{
	return !view->is_predefined && view->spec->driver != NETWORK_DRIVER_CNI && !network_is_used(network) &&
	       filters_labels(filters, &view->spec->labels) && (!until_ns || view->created_ns < until_ns);
}

static void find_prunable(Prune *prune, const Filters *filters, int64_t until_ns)
{
	Network **list;
	size_t count = network_list(&list, prune->engine);

	for (size_t i = 0; i < count; i++) {
		NetworkView view;
		network_view(list[i], &view);
		if (!is_prunable(filters, until_ns, list[i], &view))
			continue;
		strings_add(&prune->ids, view.id);
		strings_add(&prune->names, view.spec->name);
	}
	free(list);
}

static void prune_networks(HttpRequest *request, void *context)
{
	static const char *const known[] = {"until", "label", "label!", NULL};
	autoclear(Filters) filters = {0};
	int64_t until_ns = 0;
	Error *error = filters_read(&filters, request, known);
	Prune *prune;

	if (!error)
		error = filters_until(&filters, &until_ns);
	if (error) {
		http_respond_error(request, error);
		return;
	}
	prune = mem_new(Prune);
	prune->engine = docker_engine(context);
	prune->request = request;
	http_request_on_gone(request, prune_gone, prune);
	find_prunable(prune, &filters, until_ns);
	prune_next(prune);
}

const HttpRoute network_routes[] = {
	{"GET", "/networks", list_networks, DOCKER_MONITOR, 0},
	{"POST", "/networks/create", create_network, 0, 0},
	{"POST", "/networks/prune", prune_networks, 0, 0},
	{"GET", "/networks/{id}", inspect_network, DOCKER_MONITOR, 0},
	{"DELETE", "/networks/{id}", remove_network, 0, 0},
	{"POST", "/networks/{id}/connect", connect_network, 0, 0},
	{"POST", "/networks/{id}/disconnect", disconnect_network, 0, 0},
	{0},
};

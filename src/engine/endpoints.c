// SPDX-License-Identifier: Apache-2.0
/*
 * A container's networks over its life. At create, names become ids. At each start it gets an address on each network,
 * a socket for each published port, and a namespace with its interfaces: all of that belongs to the run. The shim holds
 * the sockets and is in the namespace, so that nothing of it outlives the two, whatever becomes of us (invariant 1);
 * what the next kedged has to know is in the run directory.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fault.h"
#include "base/files.h"
#include "base/log.h"
#include "base/memory.h"
#include "engine/name_server.h"
#include "engine/network_cni.h"
#include "engine/ports.h"
#include "engine/rules.h"
#include "network/host.h"
#include "network/links.h"
#include "network/namespace.h"
#include "runtime/bundle.h"
#include "runtime/spec_words.h"

static const char run_file[] = "network.json";

/* More networks than a file of that size names; of each protocol every port of the host, in both families. */
enum { RUN_FILE_MAX = 64 << 20, ENDPOINTS_MAX = 1 << 20, BINDINGS_MAX = PROTOCOLS * 2 * (UINT16_MAX + 1) };

#define AT(member) .offset = offsetof(OWNER, member), .omit_empty = true
#define TEXT_AT(member) .offset = offsetof(OWNER, member) /* "" is read back as "" */

#define OWNER Endpoint
static const Field endpoint_fields[] = {
	{"network", FIELD_STRING, TEXT_AT(network)},
	{"id", FIELD_STRING, TEXT_AT(id)},
	{"interface", FIELD_STRING, TEXT_AT(interface)},
	{"hostInterface", FIELD_STRING, TEXT_AT(host_interface)},
	{"mac", FIELD_STRING, TEXT_AT(mac)},
	{"ipv4", FIELD_STRING, TEXT_AT(ipv4)},
	{"ipv6", FIELD_STRING, TEXT_AT(ipv6)},
	{"gateway4", FIELD_STRING, TEXT_AT(gateway4)},
	{"gateway6", FIELD_STRING, TEXT_AT(gateway6)},
	{"joined", FIELD_BOOL, AT(is_joined)},
	{"leaving", FIELD_BOOL, AT(is_leaving)},
	FIELDS_END,
};
#undef OWNER

#define OWNER PortBinding
static const Field binding_fields[] = {
	{"port", FIELD_INT, AT(port)},
	{"protocol", FIELD_ENUM, .offset = offsetof(OWNER, protocol), .names = protocol_names, .name_count = PROTOCOLS},
	{"hostAddress", FIELD_STRING, AT(host_address)},
	{"hostPort", FIELD_INT, AT(host_port)},
	{"relayed", FIELD_BOOL, AT(is_relayed)},
	FIELDS_END,
};
#undef OWNER

#define OWNER NetworkRun
static const Field run_fields[] = {
	{"endpoints", FIELD_ARRAY, AT(endpoints), .sub = endpoint_fields, .sub_size = sizeof(Endpoint),
		.max_count = ENDPOINTS_MAX},
	{"ports", FIELD_ARRAY, AT(ports), .sub = binding_fields, .sub_size = sizeof(PortBinding),
		.max_count = BINDINGS_MAX},
	{"relayFollows", FIELD_BOOL, AT(relay_follows)},
	{"namesUdpPort", FIELD_INT, AT(names_udp_port), .max = UINT16_MAX},
	{"namesTcpPort", FIELD_INT, AT(names_tcp_port), .max = UINT16_MAX},
	FIELDS_END,
};
#undef OWNER

bool container_has_network(const ContainerSpec *spec)
{
	return !spec_is_shared(spec->network_mode) && !string_equal(spec->network_mode, NETWORK_NONE);
}

/* ---- what callers see ---- */

/* One that has ended keeps them for as long as its namespace takes to be gone, which concerns nobody. Those of a start
 * that waits are its own: exit_seen tells of the last run until it goes on. */
static bool is_shown(const Container *container)
{
	return container_is_live(container) && (!container->exit_seen || container->network.namespace_fd >= 0);
}

const Endpoint *container_endpoints(const Container *container, size_t *ret_count)
{
	*ret_count = is_shown(container) ? container->network.endpoints.count : 0;
	return container->network.endpoints.items;
}

static Endpoint *endpoint_on(const Container *container, const char *network_id)
{
	Endpoint *endpoints = container->network.endpoints.items;

	for (size_t i = 0; i < container->network.endpoints.count; i++)
		if (!endpoints[i].is_leaving && string_equal(endpoints[i].network, network_id))
			return &endpoints[i];
	return NULL;
}

const Endpoint *container_endpoint_on(const Container *container, const char *network_id)
{
	return is_shown(container) ? endpoint_on(container, network_id) : NULL;
}

static bool leads_to(const Container *container, int family)
{
	const Endpoint *way = endpoints_way_out(container, family);
	const Network *network = way ? network_by_id(container->engine, way->network) : NULL;

	return network && network->record.spec.driver != NETWORK_DRIVER_MACVLAN &&
	       network->record.spec.driver != NETWORK_DRIVER_IPVLAN;
}

bool container_is_published(const Container *container)
{
	return is_shown(container) && (leads_to(container, AF_INET) || leads_to(container, AF_INET6));
}

const PortBinding *container_ports(const Container *container, size_t *ret_count)
{
	*ret_count = container_is_published(container) ? container->network.ports.count : 0;
	return container->network.ports.items;
}

const EndpointSpec *container_endpoint_spec(const Container *container, const char *network_id)
{
	const FieldArray *endpoints = &container->record.spec.endpoints;

	for (size_t i = 0; i < endpoints->count; i++) {
		const EndpointSpec *endpoint = (const EndpointSpec *)endpoints->items + i;
		if (string_equal(endpoint->network, network_id))
			return endpoint;
	}
	return NULL;
}

/* ---- ways out: for each family one network's gateway ---- */

/* More of the priority that was asked for, or the name that comes first, as Docker has it. */
static bool is_better(const Container *container, const Endpoint *one, const Endpoint *other)
{
	const EndpointSpec *spec = container_endpoint_spec(container, one->network);
	const EndpointSpec *other_spec = container_endpoint_spec(container, other->network);
	int64_t priority = spec ? spec->priority : 0, other_priority = other_spec ? other_spec->priority : 0;
	const Network *network = network_by_id(container->engine, one->network);
	const Network *other_network = network_by_id(container->engine, other->network);

	if (priority != other_priority || !network || !other_network)
		return priority > other_priority;
	return strcmp(network->record.spec.name, other_network->record.spec.name) < 0;
}

const Endpoint *endpoints_way_out(const Container *container, int family)
{
	const Endpoint *endpoints = container->network.endpoints.items, *best = NULL, *other = NULL;

	for (size_t i = 0; i < container->network.endpoints.count; i++) {
		const char *gateway = family == AF_INET ? endpoints[i].gateway4 : endpoints[i].gateway6;
		if (endpoints[i].is_leaving || string_empty(gateway))
			continue;
		if (endpoint_is_cni(container, &endpoints[i])) {
			if (endpoint_publishes(container, &endpoints[i]))
				return &endpoints[i];
			other = other ? other : &endpoints[i];
			continue;
		}
		if (!best || is_better(container, &endpoints[i], best))
			best = &endpoints[i];
	}
	return best ? best : other;
}

char *endpoints_relay_to(const Container *container)
{
	const Endpoint *way = endpoints_way_out(container, AF_INET);

	return way ? mem_strndup(way->ipv4, strcspn(way->ipv4, "/")) : NULL;
}

static bool has_relay(const Container *container)
{
	const PortBinding *ports = container->network.ports.items;

	for (size_t i = 0; i < container->network.ports.count; i++)
		if (ports[i].is_relayed)
			return true;
	return false;
}

/* Its shim must not go on with an address that is about to be another container's. */
static fallible tell_relay(const Container *container)
{
	autofree char *to = endpoints_relay_to(container);

	if (!container->shim || !has_relay(container))
		return NULL;
	TRY(fault("engine.network.relay"));
	return shim_relay(container->shim, to);
}

/* ---- at create ---- */

EndpointSpec *endpoints_add_spec(ContainerSpec *spec)
{
	FieldArray *endpoints = &spec->endpoints;
	EndpointSpec *items = mem_array(endpoints->items, endpoints->count + 1, sizeof(*items));

	endpoints->items = items;
	items[endpoints->count] = (EndpointSpec){0};
	return &items[endpoints->count++];
}

static EndpointSpec *find_endpoint(ContainerSpec *spec, const char *network_id)
{
	EndpointSpec *items = spec->endpoints.items;

	for (size_t i = 0; i < spec->endpoints.count; i++)
		if (string_equal(items[i].network, network_id))
			return &items[i];
	return NULL;
}

/* A 404 of ours would make clients pull the image: that a network is missing is the caller's mistake. */
static fallible find_named(Network **ret, Engine *engine, const char *name)
{
	Error *missing = network_find(ret, engine, name), *error;

	if (!missing)
		return NULL;
	error = error_new(ERROR_INVALID, "%s", error_message(missing));
	error_free(missing);
	return error;
}

static fallible resolve_names(ContainerSpec *spec, Engine *engine)
{
	EndpointSpec *items = spec->endpoints.items;
	Network *network;

	for (size_t i = 0; i < spec->endpoints.count; i++) {
		TRY(find_named(&network, engine, items[i].network));
		if (network->record.spec.driver == NETWORK_DRIVER_HOST ||
			network->record.spec.driver == NETWORK_DRIVER_NULL)
			return error_new(ERROR_INVALID,
				"conflicting options: cannot attach both user-defined and non-user-defined "
				"network-modes");
		if (find_endpoint(spec, network->id) && find_endpoint(spec, network->id) != &items[i])
			return error_new(ERROR_INVALID, "network \"%s\" is named twice", network->record.spec.name);
		string_replace(&items[i].network, network->id);
	}
	return NULL;
}

/* The network mode's endpoint comes first: its interface is the container's first. */
static fallible put_own_first(ContainerSpec *spec, Engine *engine)
{
	const char *mode = string_empty(spec->network_mode) ? NETWORK_BRIDGE : spec->network_mode;
	EndpointSpec *own, *items, moved;
	Network *network;

	TRY(find_named(&network, engine, mode));
	own = find_endpoint(spec, network->id);
	if (!own) {
		own = endpoints_add_spec(spec);
		own->network = mem_strdup(network->id);
	}
	if (!string_empty(spec->mac_address) && string_empty(own->mac))
		string_replace(&own->mac, spec->mac_address);
	if (spec->links.count && !own->links.count)
		strings_copy(&own->links, &spec->links);
	items = spec->endpoints.items;
	moved = *own;
	memmove(items + 1, items, (size_t)(own - items) * sizeof(*items));
	items[0] = moved;
	return NULL;
}

/* "NAME", "NAME:ALIAS" -> "ID:ALIAS" */
static fallible resolve_link(char **link, Engine *engine)
{
	size_t length = strcspn(*link, ":");
	autofree char *name = mem_strndup(*link, length);
	Container *other = NULL;
	Error *missing = container_find(&other, engine, name), *error;

	if (missing) {
		error = error_new(
			ERROR_INVALID, "could not get container for %.300s: %s", name, error_message(missing));
		error_free(missing);
		return error;
	}
	autofree char *resolved = string_printf("%s:%s", other->id, (*link)[length] ? *link + length + 1 : name);
	string_replace(link, resolved);
	return NULL;
}

fallible endpoint_resolve_links(EndpointSpec *endpoint, Engine *engine)
{
	for (size_t i = 0; i < endpoint->links.count; i++)
		TRY(resolve_link(&endpoint->links.items[i], engine));
	return NULL;
}

static fallible check_endpoint(EndpointSpec *endpoint, Engine *engine)
{
	TRY(network_check_endpoint(network_by_id(engine, endpoint->network), endpoint));
	return endpoint_resolve_links(endpoint, engine);
}

static fallible check_without(const ContainerSpec *spec, StringList *ret_warnings)
{
	if (spec->endpoints.count)
		return error_new(ERROR_INVALID,
			"conflicting options: cannot attach both user-defined and non-user-defined network-modes");
	if (spec->links.count && spec_is_shared(spec->network_mode))
		return error_new(ERROR_INVALID,
			"conflicting options: %s can't be used with links. This would result in undefined behavior",
			spec_is_host(spec->network_mode) ? "host type networking" : "container type network");
	if (spec_joined(spec->network_mode) && (spec->ports.count || spec->publish_all))
		return error_new(
			ERROR_INVALID, "conflicting options: port publishing and the container type network mode");
	if (spec_is_host(spec->network_mode) && spec->ports.count)
		strings_add(ret_warnings, "Published ports are discarded when using host network mode");
	return NULL;
}

fallible endpoints_resolve(ContainerSpec *spec, Engine *engine, StringList *ret_warnings)
{
	EndpointSpec *items;

	if (!container_has_network(spec))
		return check_without(spec, ret_warnings);
	TRY(resolve_names(spec, engine));
	TRY(put_own_first(spec, engine));
	items = spec->endpoints.items;
	for (size_t i = 0; i < spec->endpoints.count; i++)
		TRY(check_endpoint(&items[i], engine));
	links_warnings(ret_warnings, spec, engine);
	rules_warnings(engine, spec, ret_warnings);
	return NULL;
}

void endpoints_tell(const Container *container, const char *action)
{
	const FieldArray *endpoints = &container->record.spec.endpoints;

	for (size_t i = 0; i < endpoints->count && container_has_network(&container->record.spec); i++) {
		const EndpointSpec *endpoint = (const EndpointSpec *)endpoints->items + i;
		const Network *network = network_by_id(container->engine, endpoint->network);
		if (network)
			network_tell(network, action, container);
	}
}

/* ---- links on the default network: files name what a name server would ---- */

static bool links_to(const Container *container, const char *id)
{
	const FieldArray *endpoints = &container->record.spec.endpoints;

	for (size_t i = 0; i < endpoints->count; i++) {
		const StringList *links = &((const EndpointSpec *)endpoints->items + i)->links;
		for (size_t j = 0; j < links->count; j++)
			if (string_starts(links->items[j], id))
				return true;
	}
	return false;
}

void endpoints_tell_linked(const Container *container)
{
	list_each(&container->engine->container_order, Container, link, other) {
		Error *error = NULL;
		if (other != container && container_is_live(other) && links_to(other, container->id))
			error = etc_hosts_write(other);
		if (error)
			error_log(error, "container \"%s\"", other->record.name);
	}
}

/* ---- at each start ---- */

bool endpoints_need_rules(const Container *container)
{
	const FieldArray *endpoints = &container->record.spec.endpoints;

	for (size_t i = 0; i < endpoints->count && container_has_network(&container->record.spec); i++) {
		const EndpointSpec *endpoint = (const EndpointSpec *)endpoints->items + i;
		const Network *network = network_by_id(container->engine, endpoint->network);
		if (network && network_has_bridge(network))
			return true;
	}
	return false;
}

/* "eth0", or the first of these names that it does not have. */
static void choose_interface(char ret[INTERFACE_NAME_MAX + 1], const Container *container, const Network *network)
{
	const char *prefix = network_option(network, "com.docker.network.container_iface_prefix");
	const Endpoint *endpoints = container->network.endpoints.items;
	bool is_taken = true;

	for (int number = 0; is_taken; number++) {
		snprintf(ret, INTERFACE_NAME_MAX + 1, "%s%d", prefix ? prefix : "eth", number);
		is_taken = false;
		for (size_t i = 0; i < container->network.endpoints.count; i++)
			is_taken |= string_equal(endpoints[i].interface, ret);
	}
}

/* It is the run's from now on, and given back with it: also where this has failed half way. */
static fallible choose(Container *container, const EndpointSpec *spec)
{
	NetworkRun *run = &container->network;
	Network *network = network_by_id(container->engine, spec->network);
	char interface[INTERFACE_NAME_MAX + 1];
	Endpoint *endpoints;

	if (!network || network->is_leaving)
		return error_new(ERROR_NOT_FOUND, "network %s not found", spec->network);
	choose_interface(interface, container, network);
	endpoints = mem_array(run->endpoints.items, run->endpoints.count + 1, sizeof(*endpoints));
	run->endpoints.items = endpoints;
	endpoints[run->endpoints.count] = (Endpoint){0};
	return endpoint_choose(&endpoints[run->endpoints.count++], network, spec, interface);
}

static fallible choose_all(Container *container)
{
	const FieldArray *wanted = &container->record.spec.endpoints;

	for (size_t i = 0; i < wanted->count; i++)
		TRY(choose(container, (const EndpointSpec *)wanted->items + i));
	return NULL;
}

static fallible plug_all(Container *container)
{
	const NetworkRun *run = &container->network;
	const Endpoint *endpoints = run->endpoints.items;

	for (size_t i = 0; i < run->endpoints.count; i++)
		TRY(endpoint_plug(container, &endpoints[i], run->namespace_fd));
	return NULL;
}

/* Before it has interfaces, since these take some settings over from "default". */
static fallible settle_namespace(const Container *container)
{
	autoclear(StringMap) settings = {0};

	bundle_network_settings(&settings, &container->record.spec);
	for (size_t i = 0; i < settings.count; i++)
		TRY(namespace_sysctl(container->network.namespace_fd, settings.items[i].key, settings.items[i].value));
	return NULL;
}

fallible endpoints_prepare(Container *container)
{
	NetworkRun *run = &container->network;

	if (run->namespace_fd >= 0 || !container_has_network(&container->record.spec))
		return NULL;
	container->engine->filters_bridges = host_filters_bridges(AF_INET) || host_filters_bridges(AF_INET6);
	run->relay_follows = true;
	TRY(fault("engine.network.choose"));
	TRY(choose_all(container));
	TRY(fault("engine.network.hold"));
	TRY(ports_hold(container));
	TRY(fault("engine.network.namespace"));
	TRY(namespace_make(&run->namespace_fd));
	return settle_namespace(container);
}

fallible endpoints_attach(Container *container)
{
	if (!container_has_network(&container->record.spec))
		return NULL;
	TRY(endpoints_prepare(container));
	TRY(fault("engine.network.plug"));
	TRY(plug_all(container));
	TRY(fault("engine.network.names"));
	TRY(name_server_attach(container, container->network.namespace_fd));
	TRY(fault("engine.network.publish"));
	return rules_publish(container);
}

/* ---- while it runs ---- */

static fallible open_namespace(int *ret_fd, const Container *container)
{
	return namespace_open_of(ret_fd, (pid_t)container->record.pid);
}

static bool is_way_out(const Container *container, const Endpoint *endpoint)
{
	return endpoints_way_out(container, AF_INET) == endpoint || endpoints_way_out(container, AF_INET6) == endpoint;
}

static fallible route_anew(const Container *container)
{
	autofd namespace_fd = -1;

	TRY(open_namespace(&namespace_fd, container));
	return endpoints_route(container, namespace_fd);
}

/* One more way out, or one less: its default routes are others, and so is where its ports lead, also where a route
 * could not be set. */
static fallible turn(Container *container, Endpoint *endpoint, bool is_leaving)
{
	Error *error, *unrouted;

	endpoint->is_leaving = false;
	if (!is_way_out(container, endpoint)) {
		endpoint->is_leaving = is_leaving;
		return NULL;
	}
	endpoint->is_leaving = !is_leaving;
	rules_withdraw(container); /* by what is so far */
	endpoint->is_leaving = is_leaving;
	unrouted = route_anew(container);
	error = rules_publish(container);
	if (unrouted && error)
		error_log(error, "container \"%s\": its ports could not be published", container->record.name);
	return unrouted ? unrouted : error;
}

fallible endpoints_begin_add(Container *container, const Network *network)
{
	TRY(choose(container, container_endpoint_spec(container, network->id)));
	endpoint_on(container, network->id)->is_joined = true;
	return endpoints_save(container); /* before there is anything to be found by it */
}

fallible endpoints_end_add(Container *container, const Network *network)
{
	Endpoint *endpoint = endpoint_on(container, network->id);
	autofd namespace_fd = -1;

	if (!endpoint)
		return error_new(ERROR_CONFLICT, "container \"%s\" has ended meanwhile", container->record.name);
	TRY(open_namespace(&namespace_fd, container));
	TRY(turn(container, endpoint, false));
	TRY(tell_relay(container));
	TRY(name_server_attach(container, namespace_fd));
	TRY(endpoints_save(container));
	return etc_files_follow(container, container_named_networks(container) > 1);
}

fallible endpoints_add(Container *container, const Network *network)
{
	autofd namespace_fd = -1;

	TRY(endpoints_begin_add(container, network));
	TRY(open_namespace(&namespace_fd, container));
	TRY(fault("engine.network.plug_in"));
	TRY(endpoint_plug(container, endpoint_on(container, network->id), namespace_fd));
	return endpoints_end_add(container, network);
}

static void remove_endpoint(NetworkRun *run, const char *id)
{
	Endpoint *endpoints = run->endpoints.items;

	for (size_t i = 0; i < run->endpoints.count; i++) {
		if (!string_equal(endpoints[i].id, id))
			continue;
		fields_clear(endpoint_fields, &endpoints[i]);
		memmove(&endpoints[i], &endpoints[i + 1], (run->endpoints.count - i - 1) * sizeof(*endpoints));
		run->endpoints.count--;
		return;
	}
}

typedef struct Leaving {
	Container *container;
	char *endpoint_id;
	ContainerDone *done;
	void *arg;
} Leaving;

static void interface_gone(void *arg, Error *take_error)
{
	Leaving *leaving = arg;
	Container *container = leaving->container;
	Error *error;

	if (take_error)
		error_log(take_error, "container \"%s\": an interface stays", container->record.name);
	remove_endpoint(&container->network, leaving->endpoint_id);
	error = container->network.endpoints.count || container_is_live(container) ? endpoints_save(container) : NULL;
	if (error)
		error_log(error, "container \"%s\"", container->record.name);
	if (leaving->done)
		leaving->done(leaving->arg, NULL);
	container_unref(container);
	free(leaving->endpoint_id);
	free(leaving);
}

fallible endpoints_check_leave(const Container *container, const Network *network)
{
	const Endpoint *endpoint = container_endpoint_on(container, network->id);

	if (container->network.relay_follows || !has_relay(container) || !endpoint || string_empty(endpoint->gateway4))
		return NULL;
	return error_hint(error_new(ERROR_CONFLICT,
				  "container \"%s\" was started by an earlier version of kedge, and its ports would be "
				  "relayed to its address on network \"%s\" for as long as it runs",
				  container->record.name, network->record.spec.name),
		"restart the container first");
}

/* Its addresses are the next one's as soon as neither its shim nor another kedged takes them for its own. Where these
 * cannot be told they stay taken: the next kedged tells the shim, and gives them back. */
static void give_back(Container *container, const Endpoint *endpoint)
{
	Error *error = endpoints_save(container);

	if (!error)
		error = tell_relay(container);
	if (error)
		error_log(error, "container \"%s\": its addresses on a network that it has left stay taken",
			container->record.name);
	else
		endpoint_give_back(container, endpoint);
}

/* What it loses at once; the interface itself takes the kernel a moment. */
static void leave(Container *container, Endpoint *endpoint)
{
	bool had_names = container_has_names(container);
	Error *error = turn(container, endpoint, true);

	give_back(container, endpoint);
	name_server_leave(container, endpoint->network);
	name_server_tell(container);
	if (!error)
		error = etc_files_follow(container, had_names);
	if (error)
		error_log(error, "container \"%s\" has left a network", container->record.name);
}

static void unplug(Container *container, const Endpoint *endpoint, ContainerDone *done, void *arg)
{
	Leaving *leaving = mem_new(Leaving);

	*leaving = (Leaving){container_ref(container), mem_strdup(endpoint->id), done, arg};
	endpoint_unplug(container, endpoint, interface_gone, leaving);
}

void endpoints_drop(Container *container, const Network *network, ContainerDone *done, void *arg)
{
	Endpoint *endpoint = (Endpoint *)container_endpoint_on(container, network->id);

	if (!endpoint) {
		completion_later(container->engine, done, arg, NULL);
		return;
	}
	leave(container, endpoint);
	unplug(container, endpoint, done, arg);
}

/* ---- what the next kedged has to know ---- */

fallible endpoints_save(const Container *container)
{
	autofree char *path = path_join(container->bundle, run_file);
	autoclear(Buffer) text = {0};
	Writer writer;

	if (!container_has_network(&container->record.spec))
		return NULL;
	writer_init(&writer, &text);
	fields_write(run_fields, &container->network, &writer, NULL);
	return file_replace(AT_FDCWD, path, text.data, text.length, 0600);
}

static fallible read_run(NetworkRun *run, const Container *container)
{
	autofree char *path = path_join(container->bundle, run_file), *text = NULL;
	size_t length;

	if (!file_exists(AT_FDCWD, path))
		return NULL;
	TRY(file_read(&text, &length, AT_FDCWD, path, RUN_FILE_MAX));
	return fields_read_text(run_fields, run, run_file, text, length, 0);
}

/* kedged died while it connected or disconnected it. One that was leaving has lost all but its interface, and the
 * container may be on that network again by another one. */
static void finish_leaving(Container *container)
{
	const Endpoint *endpoints = container->network.endpoints.items;

	for (size_t i = 0; i < container->network.endpoints.count; i++) {
		const Network *network = network_by_id(container->engine, endpoints[i].network);
		if (endpoints[i].is_leaving)
			unplug(container, &endpoints[i], NULL, NULL);
		else if (network && !container_endpoint_spec(container, network->id))
			endpoints_drop(container, network, NULL, NULL);
	}
}

/* Its addresses first: nobody else is given them, whatever becomes of the bridge. */
static fallible restore_one(Container *container, const Endpoint *endpoint)
{
	Network *network = network_by_id(container->engine, endpoint->network);

	if (endpoint->is_leaving)
		return NULL; /* somebody else may have its addresses */
	endpoint_claim(container, endpoint);
	return network ? network_up(network) : NULL;
}

static void restore_all(Container *container)
{
	const Endpoint *endpoints = container->network.endpoints.items;

	for (size_t i = 0; i < container->network.endpoints.count; i++) {
		Error *error = restore_one(container, &endpoints[i]);
		if (error)
			error_log(error, "container \"%s\": its network", container->record.name);
	}
}

fallible endpoints_restore(Container *container)
{
	Error *error;

	if (!container_has_network(&container->record.spec))
		return NULL;
	TRY(read_run(&container->network, container));
	error = tell_relay(container); /* the last kedged may have died before it could */
	if (error)
		error_log(error, "container \"%s\": its relayed ports", container->record.name);
	container->network.is_published = container->network.ports.count;
	TRY(network_open_links(container->engine));
	restore_all(container);
	TRY(endpoints_restore_cni(container));
	if (endpoints_need_rules(container))
		TRY(rules_adopt(container->engine));
	network_mend_soon(container->engine);
	finish_leaving(container);
	return NULL;
}

/* ---- at its end ---- */

void endpoints_forget(Container *container)
{
	NetworkRun *run = &container->network;

	network_run_close(run);
	close_fd(&run->names_udp);
	close_fd(&run->names_tcp);
	fields_clear(run_fields, run);
	run->names_udp_port = run->names_tcp_port = 0;
}

void endpoints_detach(Container *container)
{
	const NetworkRun *run = &container->network;
	const Endpoint *endpoints = run->endpoints.items;

	if (run->endpoints.count || run->ports.count)
		rules_withdraw(container);
	if (run->endpoints.count)
		name_server_forget(container);
	for (size_t i = 0; i < run->endpoints.count; i++)
		if (!endpoints[i].is_leaving)
			endpoint_give_back(container, &endpoints[i]);
	endpoints_release_cni(container);
	endpoints_forget(container);
}

/* What only a start needs: the shim has it now. */
void network_run_close(NetworkRun *run)
{
	close_fd(&run->namespace_fd);
	for (size_t i = 0; i < run->held_count; i++)
		close_fd(&run->held[i]);
	free(run->held);
	free(run->relay_ports);
	run->held = NULL;
	run->relay_ports = NULL;
	run->held_count = 0;
}

// SPDX-License-Identifier: Apache-2.0
/* What a container has on networks that are CNI configurations: ADD before it starts or when it is connected, DEL when
 * it has ended or is disconnected. One plugin of a container is at work at a time. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/memory.h"
#include "engine/network_cni.h"
#include "network/namespace.h"

struct CniWork {
	List link;
	Container *container;
	int namespace_fd;      /* ours, held until DEL has ended */
	StringList interfaces; /* that ADD was begun for, in this order */
	bool is_leaving;       /* the run is over: all of them go */
	bool is_attached;      /* all that the start waits for are there */
	CniRun *run;           /* NULL: none is at work */
	char *leaving;         /* the interface that is disconnected */
	ContainerDone *done;   /* of a connect or a disconnect */
	void *arg;
};

/* ---- which they are ---- */

static bool is_cni(const Container *container, const char *network_id)
{
	const Network *network = network_by_id(container->engine, network_id);

	return network && network->record.spec.driver == NETWORK_DRIVER_CNI;
}

bool endpoint_is_cni(const Container *container, const Endpoint *endpoint)
{
	return is_cni(container, endpoint->network);
}

/* It was the first one at the start: it has the ports, and when it has a way out, that is the container's. */
bool endpoint_publishes(const Container *container, const Endpoint *endpoint)
{
	return endpoint == container->network.endpoints.items && !endpoint->is_joined &&
	       endpoint_is_cni(container, endpoint);
}

bool endpoints_publish_by_cni(const Container *container)
{
	const Endpoint *first = container->network.endpoints.items;

	return container->network.endpoints.count && !first->is_leaving && endpoint_publishes(container, first);
}

bool endpoints_have_cni(const Container *container)
{
	const EndpointSpec *endpoints = container->record.spec.endpoints.items;

	for (size_t i = 0; i < container->record.spec.endpoints.count; i++)
		if (is_cni(container, endpoints[i].network))
			return true;
	return false;
}

bool endpoints_are_at_work(const Container *container)
{
	return cni_sweeps(container->engine, container->id) ||
	       (container->cni && (container->cni->run || container->cni->is_leaving));
}

int endpoints_namespace(const Container *container)
{
	return container->cni && !endpoints_are_at_work(container) ? container->cni->namespace_fd : -1;
}

static Endpoint *next_to_add(const CniWork *work)
{
	const NetworkRun *run = &work->container->network;
	Endpoint *endpoints = run->endpoints.items;

	for (size_t i = 0; i < run->endpoints.count; i++)
		if (endpoint_is_cni(work->container, &endpoints[i]) && !endpoints[i].is_leaving &&
			!strings_has(&work->interfaces, endpoints[i].interface))
			return &endpoints[i];
	return NULL;
}

static Endpoint *by_interface(const Container *container, const char *interface)
{
	Endpoint *endpoints = container->network.endpoints.items;

	for (size_t i = 0; i < container->network.endpoints.count; i++)
		if (string_equal(endpoints[i].interface, interface))
			return &endpoints[i];
	return NULL;
}

/* ---- what is asked for ---- */

static bool is_wildcard(const char *address)
{
	return string_equal(address, "0.0.0.0") || string_equal(address, "::");
}

/* Both families' wildcards are one for a plugin; they stand one behind the other. */
static bool is_there(const CniAttachment *attachment, const PortBinding *binding)
{
	const CniPort *last = (const CniPort *)attachment->ports.items + attachment->ports.count - 1;

	return attachment->ports.count && is_wildcard(binding->host_address) && !last->host &&
	       last->host_port == binding->host_port && last->container_port == binding->port &&
	       string_equal(last->protocol, protocol_names[binding->protocol]);
}

static void add_ports(CniAttachment *attachment, const Container *container)
{
	const PortBinding *bindings = container->network.ports.items;
	size_t count = container->network.ports.count;
	CniPort *ports = mem_array(NULL, count + 1, sizeof(*ports));

	attachment->ports.items = ports;
	for (size_t i = 0; i < count; i++) {
		if (is_there(attachment, &bindings[i]))
			continue;
		ports[attachment->ports.count++] = (CniPort){
			.protocol = mem_strdup(protocol_names[bindings[i].protocol]),
			.host = is_wildcard(bindings[i].host_address) ? NULL : mem_strdup(bindings[i].host_address),
			.host_port = bindings[i].host_port,
			.container_port = bindings[i].port,
		};
	}
}

static fallible fill_attachment(CniAttachment *ret, const Container *container, const Endpoint *endpoint)
{
	const EndpointSpec *spec = container_endpoint_spec(container, endpoint->network);

	ret->container = mem_strdup(container->id);
	ret->namespace = cni_link(container->engine, container->id, endpoint->interface);
	ret->interface = mem_strdup(endpoint->interface);
	if (endpoint_publishes(container, endpoint))
		add_ports(ret, container);
	if (!spec)
		return NULL;
	if (!string_empty(spec->ipv4))
		strings_add(&ret->addresses, spec->ipv4);
	if (!string_empty(spec->ipv6))
		strings_add(&ret->addresses, spec->ipv6);
	ret->mac = mem_strdup(spec->mac);
	strings_copy(&ret->aliases, &spec->aliases);
	return endpoint_bandwidth(&ret->bandwidth.ingress, &ret->bandwidth.egress, spec);
}

/* ---- ADD ---- */

/* NULL: there is none. */
static const CniRoute *default_route(const CniResult *result, bool is_ipv6)
{
	const CniRoute *routes = result->routes.items;

	for (size_t i = 0; i < result->routes.count; i++)
		if (string_equal(routes[i].destination, is_ipv6 ? "::/0" : "0.0.0.0/0"))
			return &routes[i];
	return NULL;
}

/* The route's own, or the address's, as plugins read it; NULL: no way out. */
static const char *gateway_of(const CniResult *result, const CniAddress *address)
{
	bool is_ipv6 = strchr(address->address, ':');
	const CniRoute *route = default_route(result, is_ipv6);

	if (!route || string_empty(route->gateway))
		return route ? address->gateway : NULL;
	return !strchr(route->gateway, ':') == !is_ipv6 ? route->gateway : NULL;
}

static bool is_of_interface(const CniResult *result, const CniAddress *address, const char *interface)
{
	const CniInterface *interfaces = result->interfaces.items;

	return address->interface < 0 || string_equal(interfaces[address->interface].name, interface);
}

/* The first of each family: those that are shown, and found by names. */
static void take_result(Endpoint *endpoint, const CniResult *result)
{
	const CniAddress *addresses = result->addresses.items;

	for (size_t i = 0; i < result->addresses.count; i++) {
		bool is_ipv6 = strchr(addresses[i].address, ':');
		char **slot = is_ipv6 ? &endpoint->ipv6 : &endpoint->ipv4;
		if (!string_empty(*slot) || !is_of_interface(result, &addresses[i], endpoint->interface))
			continue;
		const char *gateway = gateway_of(result, &addresses[i]);
		string_replace(slot, addresses[i].address);
		if (gateway)
			string_replace(is_ipv6 ? &endpoint->gateway6 : &endpoint->gateway4, gateway);
	}
	const char *mac = cni_result_mac(result, endpoint->interface);
	string_replace(&endpoint->mac, mac ? mac : "");
}

static void on_added(void *arg, Error *take_error, const CniResult *result);

static fallible begin_add(CniWork *work, const Endpoint *endpoint)
{
	const Container *container = work->container;
	Engine *engine = container->engine;
	const Network *network = network_by_id(engine, endpoint->network);
	const CniPlace place = cni_place(engine);
	autoclear(CniNetworks) networks = {0};
	autoclear(CniAttachment) attachment = {0};

	TRY(cni_networks_read(&networks, engine->config.cni_config_dir));
	const CniNetwork *configuration = cni_networks_find(&networks, network->record.spec.name);
	if (!configuration)
		return error_new(ERROR_NOT_FOUND, "network %s not found: its CNI configuration \"%s\" is gone",
			network->record.spec.name, network_option(network, CNI_FILE_OPTION));
	TRY(fill_attachment(&attachment, container, endpoint));
	strings_add(&work->interfaces, endpoint->interface);
	return cni_add(&work->run, &place, configuration, &attachment, work->namespace_fd, on_added, work);
}

static void start_goes_on(Container *container, Error *take_error)
{
	bool is_awaited = container->launch_when_gone && !container->shim && !container->cleaning;

	if (!is_awaited) {
		error_free(take_error); /* nobody starts it any more */
		return;
	}
	container->launch_when_gone = false;
	if (take_error)
		container_launch_failed(container, EXIT_START_FAILED, take_error);
	else
		container_launch_later(container);
}

static void tell(CniWork *work, Error *take_error)
{
	ContainerDone *done = work->done;

	work->done = NULL;
	if (done)
		done(work->arg, take_error);
	else
		start_goes_on(work->container, take_error);
}

static void forget_interface(CniWork *work, const char *interface)
{
	for (size_t i = 0; i < work->interfaces.count; i++)
		if (string_equal(work->interfaces.items[i], interface)) {
			strings_remove(&work->interfaces, i);
			return;
		}
}

static void on_added(void *arg, Error *take_error, const CniResult *result)
{
	CniWork *work = arg;
	Container *container = container_ref(work->container);
	const char *interface = work->interfaces.items[work->interfaces.count - 1];
	Endpoint *endpoint = by_interface(container, interface);
	Error *error = take_error;

	if (!error && endpoint) {
		take_result(endpoint, result);
		error = endpoint_route(container, endpoint, work->namespace_fd);
	}
	work->run = cni_run_free(work->run);
	endpoint = error || work->done ? NULL : next_to_add(work);
	if (endpoint)
		error = begin_add(work, endpoint);
	work->is_attached |= !work->run && !error;
	if (!work->run)
		tell(work, error);
	container_unref(container);
}

/* ---- life ---- */

/* namespace_fd -1: it is gone, and what there is can only be deleted. */
static fallible work_new(CniWork **ret, Container *container, int namespace_fd)
{
	int own = namespace_fd < 0 ? -1 : fcntl(namespace_fd, F_DUPFD_CLOEXEC, 0);
	CniWork *work;

	if (own < 0 && namespace_fd >= 0)
		return error_errno(errno, "could not hold a network namespace");
	work = mem_new(CniWork);
	list_append(&container->engine->cni_works, &work->link);
	work->container = container;
	work->namespace_fd = own;
	*ret = work;
	return NULL;
}

CniWork *cni_work_free(CniWork *work)
{
	if (!work)
		return NULL;
	list_remove(&work->link);
	cni_run_free(work->run);
	close_fd(&work->namespace_fd);
	strings_clear(&work->interfaces);
	free(work->leaving);
	free(work);
	return NULL;
}

/* The engine's own containers are gone already: those that only wait for DEL are left. */
void endpoints_clear_cni(Engine *engine)
{
	while (!list_empty(&engine->cni_works))
		container_free(list_entry(engine->cni_works.next, CniWork, link)->container);
}

fallible endpoints_await_cni(Container *container, bool *ret_waits)
{
	const Endpoint *endpoint;

	*ret_waits = endpoints_are_at_work(container);
	if (*ret_waits || (container->cni && container->cni->is_attached) || !endpoints_have_cni(container))
		return NULL;
	TRY(endpoints_prepare(container));
	TRY(work_new(&container->cni, container, container->network.namespace_fd));
	endpoint = next_to_add(container->cni);
	if (!endpoint)
		return NULL;
	TRY(begin_add(container->cni, endpoint));
	*ret_waits = true;
	return NULL;
}

fallible endpoints_restore_cni(Container *container)
{
	const Endpoint *endpoints = container->network.endpoints.items;
	const CniPlace place = cni_place(container->engine);
	autoclear(StringList) interfaces = {0};
	autofd namespace_fd = -1;
	Error *error;

	for (size_t i = 0; i < container->network.endpoints.count; i++)
		if (cni_record_exists(place.records, container->id, endpoints[i].interface))
			strings_add(&interfaces, endpoints[i].interface);
	if (!interfaces.count)
		return NULL;
	error = namespace_open_of(&namespace_fd, (pid_t)container->record.pid);
	if (error && error_kind(error) == ERROR_NOT_FOUND)
		error = error_free(error); /* it has ended, and its shim is about to say so */
	TRY(error);
	TRY(work_new(&container->cni, container, namespace_fd));
	strings_copy(&container->cni->interfaces, &interfaces);
	container->cni->is_attached = true;
	return NULL;
}

/* ---- DEL at the end ---- */

static void delete_next(CniWork *work);

static void on_deleted(void *arg, Error *take_error, const CniResult *result)
{
	CniWork *work = arg;

	(void)result;
	if (take_error)
		error_log(take_error, "container \"%s\" has left a CNI network", work->container->record.name);
	work->run = cni_run_free(work->run);
	delete_next(work);
}

static fallible begin_delete(CniWork *work, const char *interface)
{
	const CniPlace place = cni_place(work->container->engine);

	return cni_del(&work->run, &place, work->container->id, interface, work->namespace_fd, on_deleted, work);
}

static void delete_next(CniWork *work)
{
	Container *container = work->container;

	while (work->interfaces.count) {
		autofree char *interface = mem_strdup(work->interfaces.items[work->interfaces.count - 1]);
		strings_remove(&work->interfaces, work->interfaces.count - 1);
		Error *error = begin_delete(work, interface);
		if (!error)
			return;
		error_log(error, "container \"%s\" has left a CNI network", container->record.name);
	}
	container->cni = cni_work_free(work);
	start_goes_on(container, NULL);
	container_unref(container);
}

void endpoints_release_cni(Container *container)
{
	CniWork *work = container->cni;

	if (!work || work->is_leaving)
		return;
	container_ref(container);
	work->is_leaving = true;
	work->run = cni_run_free(work->run);
	if (work->done)
		tell(work, error_new(ERROR_CONFLICT, "container %s is not running", container->id));
	delete_next(work);
}

/* ---- while it runs ---- */

static fallible claim(CniWork **ret, Container *container, ContainerDone *done, void *arg)
{
	autofd namespace_fd = -1;

	if (endpoints_are_at_work(container))
		return error_new(ERROR_CONFLICT,
			"container \"%s\" is being connected to or disconnected from another network",
			container->record.name);
	if (!container->cni) {
		TRY(namespace_open_of(&namespace_fd, (pid_t)container->record.pid));
		TRY(work_new(&container->cni, container, namespace_fd));
		container->cni->is_attached = true;
	}
	if (container->cni->namespace_fd < 0)
		TRY(namespace_open_of(&container->cni->namespace_fd, (pid_t)container->record.pid));
	*ret = container->cni;
	(*ret)->done = done;
	(*ret)->arg = arg;
	return NULL;
}

fallible endpoint_plug_cni(Container *container, const char *network_id, ContainerDone *done, void *arg)
{
	const Endpoint *endpoint = container_endpoint_on(container, network_id);
	CniWork *work;
	Error *error;

	TRY(claim(&work, container, done, arg));
	error = begin_add(work, endpoint);
	if (error)
		work->done = NULL;
	return error;
}

static void on_unplugged(void *arg, Error *take_error, const CniResult *result)
{
	CniWork *work = arg;

	(void)result;
	work->run = cni_run_free(work->run);
	forget_interface(work, work->leaving);
	tell(work, take_error);
}

void endpoint_unplug_cni(Container *container, const Endpoint *endpoint, ContainerDone *done, void *arg)
{
	const CniPlace place = cni_place(container->engine);
	CniWork *work;
	Error *error = claim(&work, container, done, arg);

	if (!error) {
		string_replace(&work->leaving, endpoint->interface);
		error = cni_del(
			&work->run, &place, container->id, endpoint->interface, work->namespace_fd, on_unplugged, work);
		if (error)
			work->done = NULL;
	}
	if (error)
		completion_later(container->engine, done, arg, error);
}

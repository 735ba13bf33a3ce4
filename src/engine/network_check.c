// SPDX-License-Identifier: Apache-2.0
#include "engine/network_check.h"

#include <stdarg.h>

#include "base/log.h"
#include "engine/network_internal.h"
#include "engine/rules.h"
#include "network/bridge_port.h"
#include "network/links.h"
#include "network/reaper.h"

static void __attribute__((format(printf, 2, 3))) found(const NetworkCheck *check, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	autofree char *problem = string_vprintf(format, args);
	va_end(args);
	check->report(check->arg, problem);
}

/* ---- what should be there ---- */

static fallible check_endpoint(const NetworkCheck *check, const Container *container, const Endpoint *endpoint)
{
	int index;

	if (endpoint->is_leaving || string_empty(endpoint->host_interface))
		return NULL;
	TRY(link_index(&index, check->engine->links, endpoint->host_interface));
	if (!index)
		found(check, "container \"%s\": its interface \"%s\" is missing", container->record.name,
			endpoint->interface);
	return NULL;
}

static fallible check_container(const NetworkCheck *check, const Container *container)
{
	const FieldArray *wanted = &container->record.spec.endpoints;
	size_t count;
	const Endpoint *endpoints = container_endpoints(container, &count);

	if (!container->record.pid || container->state == CONTAINER_STARTING || !container_is_live(container))
		return NULL;
	for (size_t i = 0; i < wanted->count; i++) {
		const EndpointSpec *spec = (const EndpointSpec *)wanted->items + i;
		if (container_has_network(&container->record.spec) && !container_endpoint_on(container, spec->network))
			found(check, "container \"%s\" is not connected to network %.12s", container->record.name,
				spec->network);
	}
	for (size_t i = 0; i < count; i++)
		TRY(check_endpoint(check, container, &endpoints[i]));
	return NULL;
}

/* ---- what should not ---- */

typedef struct PortVisit {
	const NetworkCheck *check;
	const Network *network;
} PortVisit;

static bool is_known(const Engine *engine, const char *interface)
{
	list_each(&engine->container_order, Container, link, container) {
		const Endpoint *endpoints = container->network.endpoints.items;
		for (size_t i = 0; i < container->network.endpoints.count; i++)
			if (string_equal(endpoints[i].host_interface, interface))
				return true;
	}
	return false;
}

/* One that is cut off is of a run that has ended: the kernel removes it. What others put into a bridge is theirs. */
static void visit_port(void *arg, const char *name, bool is_cut)
{
	const PortVisit *visit = arg;
	const NetworkCheck *check = visit->check;

	if (is_cut || !string_starts(name, ENDPOINT_PREFIX) || is_known(check->engine, name))
		return;
	found(check, "interface \"%s\" in bridge \"%s\" belongs to no container that runs", name,
		visit->network->bridge);
	Error *error = check->repairs ? reaper_remove(check->engine->reaper, -1, name, NULL, NULL) : NULL;
	if (error)
		error_log(error, "interface \"%s\"", name);
}

static fallible check_network(const NetworkCheck *check, const Network *network)
{
	PortVisit visit = {check, network};
	int index;

	if (!network->is_up || !network_has_bridge(network))
		return NULL;
	TRY(link_index(&index, check->engine->links, network->bridge));
	if (index)
		return bridge_ports_each(check->engine->links, index, visit_port, &visit);
	found(check, "network \"%s\": its bridge \"%s\" is missing", network->record.spec.name, network->bridge);
	return NULL;
}

static void check_rules(const NetworkCheck *check)
{
	size_t count = check->repairs ? rules_mend(check->engine) : rules_differences(check->engine);

	if (count)
		found(check, "the packet filter is not as it should be (%zu elements)", count);
}

/* ---- all ---- */

fallible network_check(const NetworkCheck *check)
{
	Engine *engine = check->engine;

	if (!engine->links)
		return NULL; /* nothing has needed any of it since this kedged began, nor ran before it */
	list_each(&engine->network_order, Network, link, network)
		TRY(check_network(check, network));
	list_each(&engine->container_order, Container, link, container)
		TRY(check_container(check, container));
	if (check->repairs)
		network_mend_soon(engine);
	check_rules(check);
	return NULL;
}

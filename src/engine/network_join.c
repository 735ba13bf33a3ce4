// SPDX-License-Identifier: Apache-2.0
/*
 * Connecting and disconnecting. One that does not run has only its record changed. One that runs gets its interface
 * before the record is committed, and loses it afterwards: wherever kedged dies in between, what the run has and the
 * record does not name is taken away by the next one (endpoints_restore()).
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fault.h"
#include "base/log.h"
#include "base/memory.h"
#include "engine/network_cni.h"
#include "engine/rules.h"
#include "network/reaper.h"
#include "runtime/spec_words.h"

void network_tell(const Network *network, const char *action, const Container *container)
{
	event_emit(network->engine, "network", action, network->id, "container", container->id, "name",
		network->record.spec.name, "type", network_driver_names[network->record.spec.driver], NULL);
}

/* ---- the record ---- */

static EndpointSpec *spec_add(ContainerSpec *spec, const EndpointSpec *endpoint, const Network *network)
{
	EndpointSpec *added = endpoints_add_spec(spec);

	if (endpoint)
		fields_copy(endpoint_spec_fields, added, endpoint);
	string_replace(&added->network, network->id);
	return added;
}

static void spec_remove(ContainerSpec *spec, const char *network_id)
{
	EndpointSpec *items = spec->endpoints.items;

	for (size_t i = 0; i < spec->endpoints.count; i++) {
		if (!string_equal(items[i].network, network_id))
			continue;
		fields_clear(endpoint_spec_fields, &items[i]);
		memmove(&items[i], &items[i + 1], (spec->endpoints.count - i - 1) * sizeof(*items));
		spec->endpoints.count--;
		return;
	}
}

/* ---- connecting ---- */

/* "host" and "none" are joined by a container's mode alone: there is nothing to be done but to say what cannot be. */
static bool is_mode_alone(const Network *network)
{
	return network->record.spec.driver == NETWORK_DRIVER_HOST || network->record.spec.driver == NETWORK_DRIVER_NULL;
}

static bool is_mode_of(const Network *network, const ContainerSpec *spec)
{
	return is_mode_alone(network) && string_equal(network->record.spec.name, spec->network_mode);
}

static fallible check_modes(const Network *network, const Container *container)
{
	const ContainerSpec *spec = &container->record.spec;
	bool is_host = network->record.spec.driver == NETWORK_DRIVER_HOST, on_host = spec_is_host(spec->network_mode);
	bool is_joined = spec_joined(spec->network_mode);

	if (is_host && !on_host)
		return error_new(ERROR_INVALID,
			"container cannot be disconnected from host network or connected to host network");
	if (!is_host && (on_host || (is_joined && container_is_live(container))))
		return error_new(ERROR_INVALID, "container sharing network namespace with another container or host "
						"cannot be connected to any other network");
	if (is_mode_of(network, spec) || (is_mode_alone(network) && is_joined))
		return NULL;
	if (is_mode_alone(network) || !container_has_network(spec))
		return error_new(ERROR_INVALID, "container cannot be connected to multiple networks with one of the "
						"networks in private (none) mode");
	return NULL;
}

static fallible check_connect(const Network *network, const Container *container)
{
	bool is_on = is_mode_of(network, &container->record.spec) || container_endpoint_spec(container, network->id);

	TRY(check_modes(network, container));
	if (container->state == CONTAINER_REMOVING || container->state == CONTAINER_DEAD)
		return error_new(ERROR_CONFLICT,
			"container %s is marked for removal and cannot be connected or "
			"disconnected to the network",
			container->id);
	if (container->state == CONTAINER_STARTING)
		return error_new(ERROR_CONFLICT, "container \"%s\" is starting", container->record.name);
	if (container_is_live(container) && is_on)
		return error_new(ERROR_FORBIDDEN, "endpoint with name %s already exists in network %s",
			container->record.name, network->record.spec.name);
	return NULL;
}

/* Its interface first: what the record names is there. */
static fallible connect_steps(Container *container, Network *network)
{
	if (container_is_live(container))
		TRY(endpoints_add(container, network));
	TRY(fault("engine.network.connect"));
	return container_save(container);
}

static void connect_undo(Container *container, const Network *network)
{
	endpoints_drop(container, network, NULL, NULL);
	spec_remove(&container->record.spec, network->id);
}

/* ---- to a network whose plugins take their time ---- */

typedef struct Connecting {
	Container *container;
	Network *network; /* stays, as the container's spec names it */
	ContainerDone *done;
	void *arg;
} Connecting;

static fallible connected(const Connecting *connecting)
{
	Container *container = connecting->container;

	TRY(endpoints_end_add(container, connecting->network));
	TRY(fault("engine.network.connect"));
	return container_save(container);
}

static void plugins_ended(void *arg, Error *take_error)
{
	Connecting *connecting = arg;
	Container *container = connecting->container;
	Error *error = take_error ? take_error : connected(connecting);

	if (error)
		connect_undo(container, connecting->network);
	else
		network_tell(connecting->network, "connect", container);
	if (connecting->done)
		connecting->done(connecting->arg, error);
	else
		error_free(error); /* nobody wants to know */
	container_unref(container);
	free(connecting);
}

static fallible connect_cni(Container *container, Network *network, ContainerDone *done, void *arg)
{
	Connecting *connecting;
	Error *error;

	TRY(endpoints_begin_add(container, network));
	connecting = mem_new(Connecting);
	*connecting = (Connecting){container_ref(container), network, done, arg};
	error = endpoint_plug_cni(container, network->id, plugins_ended, connecting);
	if (error) {
		container_unref(container);
		free(connecting);
	}
	return error;
}

/* ---- to any ---- */

/* One that does not run asks for something else than before. */
static fallible ask_anew(
	EndpointSpec *asked, Container *container, const Network *network, const EndpointSpec *endpoint)
{
	const EndpointSpec nothing = {0};
	EndpointSpec kept = *asked;

	*asked = nothing;
	fields_copy(endpoint_spec_fields, asked, endpoint ? endpoint : &nothing);
	string_replace(&asked->network, network->id);
	Error *error = endpoint_resolve_links(asked, container->engine);
	if (!error)
		error = container_save(container);
	fields_clear(endpoint_spec_fields, error ? asked : &kept);
	if (error)
		*asked = kept;
	return error;
}

static EndpointSpec *asked_of(Container *container, const Network *network)
{
	EndpointSpec *items = container->record.spec.endpoints.items;

	for (size_t i = 0; i < container->record.spec.endpoints.count; i++)
		if (string_equal(items[i].network, network->id))
			return &items[i];
	return NULL;
}

static fallible join(
	Network *network, Container *container, const EndpointSpec *endpoint, ContainerDone *done, void *arg)
{
	bool has_plugins = network->record.spec.driver == NETWORK_DRIVER_CNI && container_is_live(container);
	Error *error = endpoint_resolve_links(spec_add(&container->record.spec, endpoint, network), network->engine);

	if (!error)
		error = has_plugins ? connect_cni(container, network, done, arg) : connect_steps(container, network);
	if (error)
		connect_undo(container, network);
	if (error || has_plugins)
		return error;
	if (container_is_live(container))
		network_tell(network, "connect", container);
	completion_later(container->engine, done, arg, NULL);
	return NULL;
}

fallible network_connect(
	Network *network, Container *container, const EndpointSpec *endpoint, ContainerDone *done, void *arg)
{
	EndpointSpec *asked = asked_of(container, network);

	TRY(check_connect(network, container));
	if (endpoint)
		TRY(network_check_endpoint(network, endpoint));
	if (!asked && !is_mode_alone(network))
		return join(network, container, endpoint, done, arg);
	if (asked)
		TRY(ask_anew(asked, container, network, endpoint));
	completion_later(container->engine, done, arg, NULL);
	return NULL;
}

/* ---- disconnecting ---- */

static fallible check_disconnect(const Network *network, const Container *container)
{
	const ContainerSpec *spec = &container->record.spec;
	bool is_live = container_is_live(container);

	if (is_mode_of(network, spec) && spec_is_host(spec->network_mode) && is_live)
		return error_new(ERROR_INVALID,
			"container cannot be disconnected from host network or connected to host network");
	if (container->state == CONTAINER_STARTING)
		return error_new(ERROR_CONFLICT, "container \"%s\" is starting", container->record.name);
	if (network->record.spec.driver == NETWORK_DRIVER_CNI && endpoints_are_at_work(container))
		return error_new(
			ERROR_CONFLICT, "container \"%s\" is being connected or disconnected", container->record.name);
	if (!is_mode_of(network, spec) && !container_endpoint_spec(container, network->id))
		return error_new(ERROR_INTERNAL, "container %s is not connected to %snetwork %s", container->id,
			is_live ? "" : "the ", network->record.spec.name);
	return endpoints_check_leave(container, network);
}

fallible network_disconnect(Network *network, Container *container, ContainerDone *done, void *arg)
{
	EndpointSpec kept = {0};
	Error *error;

	TRY(check_disconnect(network, container));
	if (is_mode_alone(network)) {
		completion_later(container->engine, done, arg, NULL);
		return NULL;
	}
	fields_copy(endpoint_spec_fields, &kept, container_endpoint_spec(container, network->id));
	spec_remove(&container->record.spec, network->id);
	error = fault("engine.network.disconnect");
	if (!error)
		error = container_save(container);
	if (error)
		spec_add(&container->record.spec, &kept, network);
	fields_clear(endpoint_spec_fields, &kept);
	TRY(error);
	network_tell(network, "disconnect", container);
	endpoints_drop(container, network, done, arg);
	return NULL;
}

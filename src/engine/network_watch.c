// SPDX-License-Identifier: Apache-2.0
/*
 * What somebody does by hand to the links that containers have: a bridge or an interface that is removed is made again,
 * with the same addresses; one that is set down is set up. Removals of ours are told as well: what is to be gone is not
 * missed.
 */
#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "engine/network_internal.h"
#include "engine/rules.h"
#include "network/bridge_port.h"
#include "network/links.h"
#include "network/linkwatch.h"
#include "network/namespace.h"

#define MEND_DELAY (20 * NANOS_PER_MILLI)    /* of a namespace that goes, all links are told one by one */
#define ROUTES_DELAY (200 * NANOS_PER_MILLI) /* a routing daemon changes thousands at a time */
#define AGAIN_DELAY NANOS_PER_SECOND         /* after what failed, and twice as long each time */
#define AGAIN_DELAY_MAX (64 * NANOS_PER_SECOND)

enum { NAMES_MAX = 64 }; /* more at once: all are looked at */

struct NetworkWatch {
	LinkWatch *links;
	StringList names; /* of links to be mended */
	bool bridges_due; /* all of them are to be looked at */
	bool all_due;     /* with the interfaces in them */
	bool has_failed;  /* something of this round */
	int64_t again_ns;
	Source *mending, *again;
	Source *routing;
};

/* ---- one interface ---- */

static fallible plug_again(const Container *container, const Endpoint *endpoint)
{
	autofd namespace_fd = -1;

	TRY(namespace_open_of(&namespace_fd, (pid_t)container->record.pid));
	return endpoint_plug(container, endpoint, namespace_fd);
}

static fallible mend_endpoint(const Container *container, const Endpoint *endpoint, int bridge_index)
{
	const Network *network = network_by_id(container->engine, endpoint->network);
	int index;

	if (endpoint->is_leaving || string_empty(endpoint->host_interface))
		return NULL;
	TRY(link_index(&index, container->engine->links, endpoint->host_interface));
	if (index)
		return bridge_port_join(
			container->engine->links, endpoint->host_interface, bridge_index, endpoint_port(network));
	log_warning("container \"%s\": its interface \"%s\" was removed, and is made again", container->record.name,
		endpoint->interface);
	return plug_again(container, endpoint);
}

static bool is_mendable(const Container *container)
{
	return container_is_live(container) && container->state != CONTAINER_STARTING && !container->exit_seen &&
	       container->record.pid;
}

static void note_failure(const Engine *engine, Error *take_error, const char *what, const char *name)
{
	if (!take_error)
		return;
	engine->network_watch->has_failed = true;
	error_log(take_error, "%s \"%s\" is not mended", what, name);
}

static void mend_container(const Container *container, const Endpoint *endpoint, int bridge_index)
{
	Error *error = mend_endpoint(container, endpoint, bridge_index);

	if (error && error_kind(error) == ERROR_NOT_FOUND)
		error = error_free(error); /* it has ended */
	note_failure(container->engine, error, "container", container->record.name);
}

/* ---- one network ---- */

static void mend_members(const Network *network, int bridge_index)
{
	list_each(&network->engine->container_order, Container, link, container) {
		const Endpoint *endpoint =
			is_mendable(container) ? container_endpoint_on(container, network->id) : NULL;
		if (endpoint)
			mend_container(container, endpoint, bridge_index);
	}
}

/* Those that are in its bridge are looked at where it was not there, or has_all says so. */
static fallible try_network(Network *network, bool has_all)
{
	bool is_missing;
	int index;

	TRY(link_index(&index, network->engine->links, network->bridge));
	if (!index && network->is_up)
		log_warning("network \"%s\": its bridge \"%s\" was removed, and is made again",
			network->record.spec.name, network->bridge);
	is_missing = !index || !network->is_up || network->is_doubtful;
	network->is_up &= !is_missing;
	TRY(network_up(network));
	TRY(network_make_bridge(network, &index));
	if (is_missing || has_all)
		mend_members(network, index);
	return NULL;
}

static bool has_members(const Network *network)
{
	list_each(&network->engine->container_order, Container, link, container)
		if (container_endpoint_on(container, network->id))
			return true;
	return false;
}

/* Nobody needs it now. */
static fallible look_later(Network *network)
{
	int index;

	network->is_doubtful = true;
	TRY(link_index(&index, network->engine->links, network->bridge));
	if (!index && network->is_up) {
		network->is_up = false;
		rules_remove_network(network);
	}
	return NULL;
}

/* One that is not up has members when making its bridge again has failed. */
static void mend_network(Network *network, bool has_all)
{
	if (network->is_leaving || !network_has_bridge(network))
		return;
	note_failure(network->engine, has_members(network) ? try_network(network, has_all) : look_later(network),
		"network", network->record.spec.name);
}

/* ---- by a link's name ---- */

static Network *by_bridge(const Engine *engine, const char *name)
{
	list_each(&engine->network_order, Network, link, network)
		if (network->is_up && !network->is_leaving && string_equal(network->bridge, name))
			return network;
	return NULL;
}

static const Endpoint *by_host_interface(const Engine *engine, const char *name, const Container **ret_container)
{
	list_each(&engine->container_order, Container, link, container) {
		const Endpoint *endpoints = container->network.endpoints.items;
		*ret_container = container;
		for (size_t i = 0; is_mendable(container) && i < container->network.endpoints.count; i++)
			if (!endpoints[i].is_leaving && string_equal(endpoints[i].host_interface, name))
				return &endpoints[i];
	}
	return NULL;
}

static fallible mend_interface(const Container *container, const Endpoint *endpoint)
{
	Network *network = network_by_id(container->engine, endpoint->network);
	int bridge_index;

	if (!network || !network_has_bridge(network))
		return NULL;
	TRY(link_index(&bridge_index, container->engine->links, network->bridge));
	if (bridge_index && network->is_up)
		mend_container(container, endpoint, bridge_index);
	else
		mend_network(network, true);
	return NULL;
}

static void mend_link(Engine *engine, const char *name)
{
	Network *network = by_bridge(engine, name);
	const Container *container;
	const Endpoint *endpoint = by_host_interface(engine, name, &container);

	if (network)
		mend_network(network, true);
	else if (endpoint)
		note_failure(engine, mend_interface(container, endpoint), "container", container->record.name);
}

/* ---- what is due ---- */

static void mend_due(Engine *engine)
{
	NetworkWatch *watch = engine->network_watch;
	bool has_all = watch->all_due, has_bridges = has_all || watch->bridges_due;

	watch->has_failed = watch->all_due = watch->bridges_due = false;
	list_each(&engine->network_order, Network, link, network)
		if (has_bridges)
			mend_network(network, has_all);
	for (size_t i = 0; i < watch->names.count && !has_all; i++)
		mend_link(engine, watch->names.items[i]);
	strings_clear(&watch->names);
}

static void mend(void *arg);

static void mend_again(void *arg)
{
	Engine *engine = arg;

	engine->network_watch->again = source_free(engine->network_watch->again);
	engine->network_watch->all_due = true;
	mend(engine);
}

/* ---- what is told ---- */

/* What goes on meanwhile does not put it off. */
static void look_soon(Source **timer, Engine *engine, int64_t delay_ns, LoopHandler *look)
{
	Error *error = *timer ? NULL : loop_timer(timer, engine->loop, delay_ns, look, engine);

	if (error)
		error_log(error, "networks are not mended");
}

static void mend_soon(Engine *engine)
{
	look_soon(&engine->network_watch->mending, engine, MEND_DELAY, mend);
}

/* What failed is tried again, whether or not something else happens. */
static void mend(void *arg)
{
	Engine *engine = arg;
	NetworkWatch *watch = engine->network_watch;
	int64_t next_ns = watch->again_ns ? 2 * watch->again_ns : AGAIN_DELAY;

	watch->mending = source_free(watch->mending);
	mend_due(engine);
	if (watch->has_failed) {
		watch->again_ns = next_ns < AGAIN_DELAY_MAX ? next_ns : AGAIN_DELAY_MAX;
		look_soon(&watch->again, engine, watch->again_ns, mend_again);
	} else if (!watch->again)
		watch->again_ns = 0;
}

void network_mend_soon(Engine *engine)
{
	if (!engine->network_watch)
		return; /* there is nothing to be mended */
	engine->network_watch->all_due = true;
	mend_soon(engine);
}

static void link_gone(void *arg, const char *name)
{
	Engine *engine = arg;
	NetworkWatch *watch = engine->network_watch;
	const Container *container;

	if (!by_bridge(engine, name) && !by_host_interface(engine, name, &container))
		return; /* nobody misses it */
	if (watch->names.count == NAMES_MAX)
		watch->all_due = true;
	else if (!strings_has(&watch->names, name))
		strings_add(&watch->names, name);
	mend_soon(engine);
}

/* Somebody has set it down; or it is new, which costs a look. */
static void link_down(void *arg, const char *name)
{
	link_gone(arg, name);
}

/* Those of bridges may be missing. */
static void addresses_changed(void *arg)
{
	Engine *engine = arg;

	engine->network_watch->bridges_due = true;
	mend_soon(engine);
}

/* It was too much to be told one by one. */
static void much_changed(void *arg)
{
	network_mend_soon(arg);
}

/* A route that appeared over a network's subnet takes its packets away, and is not ours to remove: it is said. */
static void look_at_routes(void *arg)
{
	Engine *engine = arg;

	engine->network_watch->routing = source_free(engine->network_watch->routing);
	network_routes_check(engine);
}

static void routes_changed(void *arg)
{
	Engine *engine = arg;

	look_soon(&engine->network_watch->routing, engine, ROUTES_DELAY, look_at_routes);
}

fallible network_watch_open(Engine *engine)
{
	static const LinkHandlers handlers = {.gone = link_gone,
		.down = link_down,
		.addressed = addresses_changed,
		.routed = routes_changed,
		.lost = much_changed};

	if (engine->network_watch)
		return NULL;
	NetworkWatch *watch = mem_new(NetworkWatch);
	Error *error = link_watch_open(&watch->links, engine->loop, &handlers, engine);
	if (error) {
		free(watch);
		return error;
	}
	engine->network_watch = watch;
	return NULL;
}

NetworkWatch *network_watch_close(NetworkWatch *watch)
{
	if (!watch)
		return NULL;
	source_free(watch->mending);
	source_free(watch->again);
	source_free(watch->routing);
	strings_clear(&watch->names);
	link_watch_close(watch->links);
	free(watch);
	return NULL;
}

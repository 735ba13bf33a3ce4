// SPDX-License-Identifier: Apache-2.0
/* What a network has on the host: a bridge with its gateways' addresses, and its elements of the packet filter. Made
 * when it is needed, and again when somebody has removed it. */
#include "base/fault.h"
#include "engine/network_internal.h"
#include "engine/rules.h"
#include "network/host.h"
#include "network/links.h"
#include "network/reaper.h"

bool network_has_bridge(const Network *network)
{
	return network->record.spec.driver == NETWORK_DRIVER_BRIDGE;
}

fallible network_open_links(Engine *engine)
{
	autofree char *shim = engine_program(engine, "kedge-shim");

	if (!engine->links)
		TRY(netlink_open_in(&engine->links, -1, NETLINK_ROUTE));
	if (!engine->reaper)
		TRY(reaper_new(&engine->reaper, engine->loop, shim));
	return network_watch_open(engine);
}

/* What the kernel asks for neighbours from when it forwards IPv6. */
static void add_link_local(BridgeSpec *spec)
{
	if (spec->gateway_count < LINK_ADDRESSES_MAX)
		error_free(subnet_parse(&spec->gateways[spec->gateway_count++], "fe80::1/64")); /* it is one */
}

static BridgeSpec spec_of(const Network *network)
{
	BridgeSpec spec = {
		.name = network->bridge,
		.mtu = network_mtu(network),
	};
	bool has_addresses = !network_flag(network, "com.docker.network.bridge.inhibit_ipv4", false);

	for (size_t i = 0; i < network->pool_count && has_addresses; i++) {
		const NetworkPool *pool = &network->pools[i];
		if (pool->gateway.family && spec.gateway_count < LINK_ADDRESSES_MAX)
			spec.gateways[spec.gateway_count++] = (Subnet){pool->gateway, pool->subnet.prefix};
	}
	if (network_pool(network, AF_INET6))
		add_link_local(&spec);
	return spec;
}

static bool is_named(const Network *network)
{
	return !string_empty(network_option(network, "com.docker.network.bridge.name"));
}

/* ---- all of it ---- */

fallible network_make_bridge(const Network *network, int *ret_index)
{
	const BridgeSpec spec = spec_of(network);

	if (is_named(network))
		TRY(bridge_borrow(network->engine, &spec));
	return bridge_make(network->engine->links, &spec, ret_index);
}

/* What its bridge needs of the host. */
static fallible prepare_host(const Network *network)
{
	bool has_ipv6 = network_pool(network, AF_INET6);

	TRY(host_forward(AF_INET));
	if (has_ipv6)
		TRY(host_forward(AF_INET6));
	return host_open_loopback(network->engine->links, network->bridge, has_ipv6);
}

fallible network_up(Network *network)
{
	int index;

	TRY(network_open_links(network->engine));
	if ((network->is_up && !network->is_doubtful) || network->record.spec.driver == NETWORK_DRIVER_CNI)
		return NULL;
	TRY(network_settle(network));
	if (network_has_bridge(network)) {
		TRY(fault("engine.network.bridge"));
		TRY(network_make_bridge(network, &index));
		TRY(prepare_host(network));
	}
	network->is_up = true;
	network->is_doubtful = false;
	return network_has_bridge(network) ? rules_add_network(network) : NULL;
}

/* One that somebody else has made stays, as it was, but that bridge_make() has set it up where it was down. */
static fallible remove_bridge(const Network *network, ContainerDone *done, void *arg)
{
	Engine *engine = network->engine;
	BridgeState state = {.owner = BRIDGE_OURS};

	TRY(fault("engine.network.down"));
	TRY(network_open_links(engine));
	if (is_named(network))
		TRY(bridge_look(&state, engine->links, network->bridge));
	TRY(bridge_return(engine, network->bridge));
	if (state.owner == BRIDGE_OURS)
		return reaper_remove(engine->reaper, -1, network->bridge, done, arg);
	completion_later(engine, done, arg, NULL);
	return NULL;
}

void network_down(Network *network, ContainerDone *done, void *arg)
{
	Engine *engine = network->engine;
	Error *error;

	network->is_up = false;
	rules_remove_network(network);
	if (!network_has_bridge(network)) {
		completion_later(engine, done, arg, NULL);
		return;
	}
	error = remove_bridge(network, done, arg);
	if (error)
		completion_later(engine, done, arg, error);
}

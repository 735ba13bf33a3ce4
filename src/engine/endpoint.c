// SPDX-License-Identifier: Apache-2.0
/* What a running container has on one network: its addresses, and the interface that has them. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/memory.h"
#include "engine/network_cni.h"
#include "network/bridge_port.h"
#include "network/links.h"
#include "network/namespace.h"
#include "network/reaper.h"
#include "network/shaping.h"

/* ---- addresses ---- */

static bool read_address(Subnet *ret, const char *text)
{
	*ret = (Subnet){0};
	if (!string_empty(text))
		error_free(subnet_parse(ret, text)); /* we have written it */
	return ret->address.family != 0;
}

/* The container that has the address there; NULL: none that is shown. */
static const Container *address_holder(const Network *network, const Address *address)
{
	list_each(&network->engine->container_order, Container, link, container) {
		const Endpoint *endpoint = container_endpoint_on(container, network->id);
		Subnet own;

		if (!endpoint)
			continue;
		if (read_address(&own, endpoint->ipv4) && address_equal(&own.address, address))
			return container;
		if (read_address(&own, endpoint->ipv6) && address_equal(&own.address, address))
			return container;
	}
	return NULL;
}

static fallible claim(const Network *network, AddressPool *pool, const char *asked, const Address *address)
{
	const Container *other = address_holder(network, address);
	const char *name = network->record.spec.name;

	if (other)
		return error_new(ERROR_FORBIDDEN,
			"network \"%s\": address %s: Address already in use: container \"%s\" has it", name, asked,
			other->record.name);
	TRY_WRAP(address_pool_claim(pool, address), "network \"%s\": address %s", name, asked);
	return NULL;
}

/* "" when the network has none of that family. */
static fallible choose_address(char **ret, char **ret_gateway, const Network *network, int family, const char *asked)
{
	NetworkPool *pool = network_pool(network, family);
	char text[ADDRESS_TEXT_MAX];
	Address address;

	*ret = mem_strdup("");
	*ret_gateway = mem_strdup("");
	if (!pool)
		return NULL;
	if (string_empty(asked)) {
		TRY(address_pool_take(&address, pool->addresses));
	} else {
		TRY(address_parse(&address, asked));
		TRY(claim(network, pool->addresses, asked, &address));
	}
	address_format(text, &address);
	free(*ret);
	*ret = string_printf("%s/%d", text, pool->subnet.prefix);
	if (pool->gateway.family && !network->record.spec.is_internal) {
		address_format(text, &pool->gateway);
		string_replace(ret_gateway, text);
	}
	return NULL;
}

static void choose_mac(Endpoint *endpoint, const char *asked)
{
	char text[MAC_TEXT_MAX];
	Subnet own;
	Mac mac;

	if (!string_empty(asked)) {
		string_replace(&endpoint->mac, asked);
		return;
	}
	if (!read_address(&own, endpoint->ipv4) && !read_address(&own, endpoint->ipv6))
		own.address = (Address){0};
	mac = mac_of_address(&own.address);
	mac_format(text, &mac);
	string_replace(&endpoint->mac, text);
}

/* A plugin's to say. */
static fallible leave_open(Endpoint *ret)
{
	char **const texts[] = {&ret->ipv4, &ret->ipv6, &ret->gateway4, &ret->gateway6, &ret->mac};

	for (size_t i = 0; i < COUNT(texts); i++)
		*texts[i] = mem_strdup("");
	return NULL;
}

fallible endpoint_choose(Endpoint *ret, Network *network, const EndpointSpec *spec, const char *interface)
{
	char id[65];

	string_random_hex(id, 64);
	ret->network = mem_strdup(network->id);
	ret->id = mem_strdup(id);
	ret->interface = mem_strdup(interface);
	ret->host_interface = network_has_bridge(network) ? string_printf(ENDPOINT_PREFIX "%.11s", id) : mem_strdup("");
	TRY(network_up(network));
	if (network->record.spec.driver == NETWORK_DRIVER_CNI)
		return leave_open(ret);
	TRY(choose_address(&ret->ipv4, &ret->gateway4, network, AF_INET, spec->ipv4));
	TRY(choose_address(&ret->ipv6, &ret->gateway6, network, AF_INET6, spec->ipv6));
	choose_mac(ret, spec->mac);
	return NULL;
}

static void each_address(const Engine *engine, const Endpoint *endpoint, void (*visit)(AddressPool *, const Address *))
{
	const char *texts[] = {endpoint->ipv4, endpoint->ipv6};
	const Network *network = network_by_id(engine, endpoint->network);

	for (size_t i = 0; network && i < COUNT(texts); i++) {
		Subnet own;
		NetworkPool *pool = read_address(&own, texts[i]) ? network_pool(network, own.address.family) : NULL;
		if (pool)
			visit(pool->addresses, &own.address);
	}
}

static void claim_again(AddressPool *pool, const Address *address)
{
	char text[ADDRESS_TEXT_MAX];
	Error *error = address_pool_claim(pool, address);

	address_format(text, address);
	if (error)
		error_log(error, "address %s", text);
}

void endpoint_claim(const Container *container, const Endpoint *endpoint)
{
	each_address(container->engine, endpoint, claim_again);
}

/* From now on its interface reaches nobody, whoever is given its addresses next: the namespace may need a moment to be
 * gone. */
void endpoint_give_back(const Container *container, const Endpoint *endpoint)
{
	Error *error = NULL;

	if (!string_empty(endpoint->host_interface) && container->engine->links)
		error = bridge_port_cut(container->engine->links, endpoint->host_interface);
	if (error)
		error_log(error, "container \"%s\": its interface on the network", container->record.name);
	each_address(container->engine, endpoint, address_pool_give);
}

/* ---- its interface ---- */

static const char *parent_of(const Network *network)
{
	return network_has_bridge(network) ? network->bridge : network_option(network, "parent");
}

static PlugKind plug_kind(const Network *network)
{
	if (network->record.spec.driver == NETWORK_DRIVER_MACVLAN)
		return PLUG_MACVLAN;
	return network->record.spec.driver == NETWORK_DRIVER_IPVLAN ? PLUG_IPVLAN : PLUG_VETH;
}

static const char *mode_of(const Network *network)
{
	return network_option(
		network, network->record.spec.driver == NETWORK_DRIVER_IPVLAN ? "ipvlan_mode" : "macvlan_mode");
}

static void add_addresses(PlugSpec *plug, const Endpoint *endpoint, const EndpointSpec *spec)
{
	const char *texts[] = {endpoint->ipv4, endpoint->ipv6};

	for (size_t i = 0; i < COUNT(texts); i++)
		if (read_address(&plug->addresses[plug->address_count], texts[i]))
			plug->address_count++;
	for (size_t i = 0; spec && i < spec->link_local.count && plug->address_count < LINK_ADDRESSES_MAX; i++) {
		Subnet *local = &plug->addresses[plug->address_count];
		error_free(address_parse(&local->address, spec->link_local.items[i])); /* it was checked */
		local->prefix = local->address.family == AF_INET ? 16 : 64;
		plug->address_count++;
	}
}

/* The container's way out leads through one of its networks, for each family. */
static void add_gateways(PlugSpec *plug, const Container *container, const Endpoint *endpoint)
{
	static const int families[] = {AF_INET, AF_INET6};

	for (size_t i = 0; i < COUNT(families); i++) {
		const char *gateway = families[i] == AF_INET ? endpoint->gateway4 : endpoint->gateway6;
		if (endpoints_way_out(container, families[i]) == endpoint && !string_empty(gateway))
			error_free(address_parse(&plug->gateways[i], gateway)); /* we have written it */
	}
}

/* ---- its bandwidth ---- */

#define INGRESS "kedge.bandwidth.ingress"
#define EGRESS "kedge.bandwidth.egress"

static fallible read_rate(int64_t *ret, const EndpointSpec *spec, const char *option)
{
	const char *text = spec ? map_get(&spec->options, option) : NULL;

	*ret = 0;
	if (text)
		TRY_WRAP(rate_parse(ret, text), "driver option \"%s\"", option);
	return NULL;
}

fallible endpoint_bandwidth(int64_t *ret_ingress, int64_t *ret_egress, const EndpointSpec *spec)
{
	TRY(read_rate(ret_ingress, spec, INGRESS));
	return read_rate(ret_egress, spec, EGRESS);
}

/* What comes leaves the host by its end of the pair, what goes leaves the container by its own. */
static fallible limit_bandwidth(const Container *container, const Endpoint *endpoint, int namespace_fd)
{
	int64_t ingress, egress;
	autoptr(Netlink) inside = NULL;

	TRY(endpoint_bandwidth(&ingress, &egress, container_endpoint_spec(container, endpoint->network)));
	if (ingress)
		TRY(link_limit(container->engine->links, endpoint->host_interface, ingress));
	if (!egress)
		return NULL;
	TRY(netlink_open_in(&inside, namespace_fd, NETLINK_ROUTE));
	return link_limit(inside, endpoint->interface, egress);
}

BridgePort endpoint_port(const Network *network)
{
	return (BridgePort){.is_isolated = !network_flag(network, "com.docker.network.bridge.enable_icc", true),
		.is_hairpin = network->engine->filters_bridges};
}

static PlugSpec plug_of(const Network *network, const Endpoint *endpoint, int namespace_fd)
{
	return (PlugSpec){
		.kind = plug_kind(network),
		.namespace_fd = namespace_fd,
		.name = endpoint->interface,
		.host_name = string_empty(endpoint->host_interface) ? NULL : endpoint->host_interface,
		.parent = parent_of(network),
		.mode = mode_of(network),
		.mtu = network_mtu(network),
		.meets_bridge = !network_flag(network, "com.docker.network.bridge.inhibit_ipv4", false),
		.has_ipv6 = !string_empty(endpoint->ipv6),
		.port = endpoint_port(network),
	};
}

fallible endpoint_plug(const Container *container, const Endpoint *endpoint, int namespace_fd)
{
	const Network *network = network_by_id(container->engine, endpoint->network);
	PlugSpec plug;

	if (!network) /* removed while the start waited */
		return error_new(ERROR_NOT_FOUND, "network %s not found", endpoint->network);
	if (endpoint_is_cni(container, endpoint))
		return NULL; /* its plugins have done it */
	plug = plug_of(network, endpoint, namespace_fd);
	TRY(mac_parse(&plug.mac, endpoint->mac));
	add_addresses(&plug, endpoint, container_endpoint_spec(container, endpoint->network));
	add_gateways(&plug, container, endpoint);
	TRY_WRAP(link_plug(container->engine->links, &plug, NULL), "network \"%s\"", network->record.spec.name);
	return limit_bandwidth(container, endpoint, namespace_fd);
}

void endpoint_unplug(const Container *container, const Endpoint *endpoint, ContainerDone *done, void *arg)
{
	bool has_host_end = !string_empty(endpoint->host_interface);
	autofd namespace_fd = -1;
	Error *error = NULL;

	if (endpoint_is_cni(container, endpoint)) {
		endpoint_unplug_cni((Container *)container, endpoint, done, arg);
		return;
	}
	if (!has_host_end)
		error = namespace_open_of(&namespace_fd, (pid_t)container->record.pid);
	if (!error)
		error = reaper_remove(container->engine->reaper, namespace_fd,
			has_host_end ? endpoint->host_interface : endpoint->interface, done, arg);
	if (error)
		completion_later(container->engine, done, arg, error);
}

fallible endpoint_route(const Container *container, const Endpoint *endpoint, int namespace_fd)
{
	PlugSpec plug = {0};

	add_gateways(&plug, container, endpoint);
	return link_set_gateways(namespace_fd, endpoint->interface, plug.gateways);
}

fallible endpoints_route(const Container *container, int namespace_fd)
{
	const Endpoint *endpoints = container->network.endpoints.items;
	Error *first = NULL;

	for (size_t i = 0; i < container->network.endpoints.count; i++) {
		Error *error = endpoints[i].is_leaving ? NULL : endpoint_route(container, &endpoints[i], namespace_fd);
		if (first)
			error_free(error); /* one is told */
		else
			first = error;
	}
	return first;
}

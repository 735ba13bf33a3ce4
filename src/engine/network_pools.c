// SPDX-License-Identifier: Apache-2.0
/*
 * A network's addresses. Subnets that its owner has left open are parts of the configured pools which neither another
 * network nor a route of the host has; an IPv6 one is part of the device's own unique local prefix (RFC 4193).
 */
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/memory.h"
#include "engine/network_internal.h"
#include "engine/rules.h"
#include "network/links.h"
#include "network/pool.h"

/* ---- what others have ---- */

typedef struct Taken {
	Subnet *items;
	size_t count;
} Taken;

static void taken_clear(Taken *taken)
{
	free(taken->items);
}
DEFINE_AUTOCLEAR(Taken, taken_clear)

static void taken_add(Taken *taken, const Subnet *subnet)
{
	taken->items = mem_array(taken->items, taken->count + 1, sizeof(*taken->items));
	taken->items[taken->count++] = *subnet;
}

static void taken_by_networks(Taken *ret, const Network *network)
{
	list_each(&network->engine->network_order, Network, link, other)
		for (size_t i = 0; other != network && i < other->pool_count; i++)
			taken_add(ret, &other->pools[i].subnet);
	for (size_t i = 0; i < network->pool_count; i++)
		taken_add(ret, &network->pools[i].subnet);
}

static fallible taken_by_host(Taken *ret, const Network *network)
{
	const char *const own[] = {network->bridge, NULL};
	autofree Subnet *routes = NULL;
	size_t count = 0;

	TRY(routes_list(&routes, &count, network->engine->links, own));
	for (size_t i = 0; i < count; i++)
		taken_add(ret, &routes[i]);
	return NULL;
}

/* ---- choosing ---- */

/* "172.17.0.0/12 16" */
static fallible read_pool(SubnetPool *ret, const char *text)
{
	size_t length = strcspn(text, " ");
	autofree char *base = mem_strndup(text, length);
	int64_t size;

	TRY_WRAP(string_to_int64(&size, text + length + strspn(text + length, " "), 1, 128), "prefix length");
	return subnet_pool_parse(ret, base, size);
}

fallible network_pools_check(const StringList *pools)
{
	SubnetPool ignored;

	for (size_t i = 0; i < pools->count; i++)
		TRY_WRAP(read_pool(&ignored, pools->items[i]), "\"%s\"", pools->items[i]);
	return NULL;
}

/* The owner's, or Docker's; and the device's own prefix for IPv6. */
static size_t configured_pools(SubnetPool **ret, const Engine *engine)
{
	const StringList *texts = &engine->config.address_pools;
	size_t count = texts->count ? texts->count : SUBNET_POOLS_DEFAULT;
	SubnetPool *pools = mem_array(NULL, count + 1, sizeof(*pools));

	if (!texts->count)
		memcpy(pools, subnet_pools_default, sizeof(subnet_pools_default));
	for (size_t i = 0; i < texts->count; i++)
		error_free(read_pool(&pools[i], texts->items[i])); /* the configuration was checked */
	pools[count++] = subnet_pool_local(engine->id, sizeof(engine->id) - 1);
	*ret = pools;
	return count;
}

static fallible choose(Subnet *ret, const Network *network, int family)
{
	autofree SubnetPool *pools = NULL;
	size_t count = configured_pools(&pools, network->engine);
	autoclear(Taken) taken = {0};

	taken_by_networks(&taken, network);
	TRY(taken_by_host(&taken, network));
	return subnet_pick(ret, family, pools, count, taken.items, taken.count);
}

/* ---- reading ---- */

static fallible claim_others(NetworkPool *pool, const PoolSpec *spec)
{
	for (size_t i = 0; i < spec->auxiliary.count; i++) {
		Address address;
		TRY(address_parse(&address, spec->auxiliary.items[i].value));
		TRY_WRAP(address_pool_claim(pool->addresses, &address), "auxiliary address \"%s\"",
			spec->auxiliary.items[i].key);
	}
	return NULL;
}

static fallible read_gateway(NetworkPool *pool, const Network *network, const PoolSpec *spec)
{
	if (!string_empty(spec->gateway))
		TRY(address_parse(&pool->gateway, spec->gateway));
	else if (network->record.spec.driver != NETWORK_DRIVER_IPVLAN || !network_option(network, "ipvlan_mode"))
		pool->gateway = subnet_at(&pool->subnet, 1);
	return pool->gateway.family ? address_pool_claim(pool->addresses, &pool->gateway) : NULL;
}

static fallible read_one(Network *network, const PoolSpec *spec)
{
	NetworkPool *pool;
	Subnet range = {0};

	network->pools = mem_array(network->pools, network->pool_count + 1, sizeof(*network->pools));
	pool = &network->pools[network->pool_count];
	*pool = (NetworkPool){0};
	TRY(subnet_parse(&pool->subnet, spec->subnet));
	pool->subnet.address = subnet_at(&pool->subnet, 0);
	if (!string_empty(spec->range))
		TRY(subnet_parse(&range, spec->range));
	TRY(address_pool_new(&pool->addresses, &pool->subnet, range.address.family ? &range : NULL));
	network->pool_count++;
	TRY(read_gateway(pool, network, spec));
	return claim_others(pool, spec);
}

/* ---- what a network's spec leaves open ---- */

static bool has_family(const NetworkSpec *spec, int family)
{
	const PoolSpec *pools = spec->pools.items;

	for (size_t i = 0; i < spec->pools.count; i++)
		if (!string_empty(pools[i].subnet) && (strchr(pools[i].subnet, ':') ? AF_INET6 : AF_INET) == family)
			return true;
	return false;
}

/* One that names no subnet stands for any. */
static PoolSpec *open_pool(NetworkSpec *spec)
{
	PoolSpec *pools = spec->pools.items;

	for (size_t i = 0; i < spec->pools.count; i++)
		if (string_empty(pools[i].subnet))
			return &pools[i];
	pools = mem_array(pools, spec->pools.count + 1, sizeof(*pools));
	spec->pools.items = pools;
	pools[spec->pools.count] = (PoolSpec){0};
	return &pools[spec->pools.count++];
}

static fallible fill(Network *network, int family)
{
	NetworkSpec *spec = &network->record.spec;
	char text[SUBNET_TEXT_MAX];
	PoolSpec *pool;
	Subnet subnet;

	if (has_family(spec, family))
		return NULL;
	TRY(choose(&subnet, network, family));
	subnet_format(text, &subnet);
	pool = open_pool(spec);
	pool->is_chosen = true;
	string_replace(&pool->subnet, text);
	if (spec->driver == NETWORK_DRIVER_BRIDGE) {
		Address first = subnet_at(&subnet, 1);
		address_format(text, &first); /* so that clients see it; an address is shorter than a subnet */
		string_replace(&pool->gateway, text);
	}
	return NULL;
}

static fallible check_overlap(const Network *network, const Taken *taken, const char *whose)
{
	for (size_t i = 0; i < network->pool_count; i++)
		for (size_t j = 0; j < taken->count; j++) {
			char own[SUBNET_TEXT_MAX], other[SUBNET_TEXT_MAX];
			if (!subnets_overlap(&network->pools[i].subnet, &taken->items[j]))
				continue;
			subnet_format(own, &network->pools[i].subnet);
			subnet_format(other, &taken->items[j]);
			return error_new(ERROR_FORBIDDEN,
				"Pool overlaps with other one on this address space: %s and %s%s", own, other, whose);
		}
	return NULL;
}

/* Of a card of the host, the subnet is that which the card has already. */
static fallible check_free(Network *network)
{
	autoclear(Taken) networks = {0}, routes = {0};
	size_t own = network->pool_count;

	if (!network_has_bridge(network))
		return NULL;
	network->pool_count = 0;
	taken_by_networks(&networks, network);
	network->pool_count = own;
	TRY(check_overlap(network, &networks, ""));
	TRY(taken_by_host(&routes, network));
	return check_overlap(network, &routes, ", which the host has a route for");
}

static void check_routes(Network *network)
{
	autoclear(Taken) routes = {0};
	Error *error = taken_by_host(&routes, network);
	bool was_covered = network->is_covered;

	if (!error)
		error = check_overlap(network, &routes, ", which the host has a route for");
	network->is_covered = error;
	if (error && !was_covered)
		error_log(error, "network \"%s\"", network->record.spec.name);
	else
		error_free(error); /* it was said */
}

void network_routes_check(const Engine *engine)
{
	list_each(&engine->network_order, Network, link, network)
		if (network->is_up && network_has_bridge(network))
			check_routes(network);
}

fallible network_pools_read(Network *network)
{
	const PoolSpec *pools = network->record.spec.pools.items;

	for (size_t i = 0; i < network->record.spec.pools.count; i++)
		if (!string_empty(pools[i].subnet))
			TRY(read_one(network, &pools[i]));
	return NULL;
}

fallible network_pools_open(Network *network)
{
	if (network->record.spec.driver == NETWORK_DRIVER_CNI)
		return NULL;
	TRY(network_open_links(network->engine));
	TRY(fill(network, AF_INET));
	if (network->record.spec.has_ipv6)
		TRY(fill(network, AF_INET6));
	TRY(network_pools_read(network));
	return check_free(network);
}

void network_pools_close(Network *network)
{
	for (size_t i = 0; i < network->pool_count; i++)
		address_pool_free(network->pools[i].addresses);
	free(network->pools);
	network->pools = NULL;
	network->pool_count = 0;
}

NetworkPool *network_pool(const Network *network, int family)
{
	for (size_t i = 0; i < network->pool_count; i++)
		if (network->pools[i].subnet.address.family == family)
			return &network->pools[i];
	return NULL;
}

fallible network_settle(Network *network)
{
	if (network->pool_count || !network_has_bridge(network))
		return NULL;
	Error *error = network_pools_open(network);
	if (!error)
		error = network_save(network);
	if (!error)
		return NULL;
	network_pools_close(network);
	return error;
}

// SPDX-License-Identifier: Apache-2.0
#include "cli/ipam_option.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "cli/container_options.h"
#include "network/address.h"

typedef struct Pool {
	const char *text;
	Subnet subnet;
	const char *range, *gateway;
	StringMap auxiliary;
} Pool;

typedef struct Pools {
	Pool *items;
	size_t count;
} Pools;

static void pools_clear(Pools *pools)
{
	for (size_t i = 0; i < pools->count; i++)
		map_clear(&pools->items[i].auxiliary);
	free(pools->items);
}
DEFINE_AUTOCLEAR(Pools, pools_clear)

static fallible add_subnet(Pools *pools, const char *text)
{
	Subnet subnet;

	TRY_WRAP(subnet_parse(&subnet, text), "option \"--subnet\"");
	for (size_t i = 0; i < pools->count; i++)
		if (subnets_overlap(&pools->items[i].subnet, &subnet))
			return error_new(ERROR_INVALID, "option \"--subnet\": \"%s\" and \"%s\" overlap",
				pools->items[i].text, text);
	pools->items = mem_array(pools->items, pools->count + 1, sizeof(Pool));
	pools->items[pools->count++] = (Pool){.text = text, .subnet = subnet};
	return NULL;
}

static fallible pool_of(Pool **ret, const Pools *pools, const Address *address, const char *option, const char *text)
{
	for (size_t i = 0; i < pools->count; i++) {
		if (!subnet_contains(&pools->items[i].subnet, address))
			continue;
		*ret = &pools->items[i];
		return NULL;
	}
	return error_new(
		ERROR_INVALID, "option \"--%s\": \"%s\" is in none of the subnets of \"--subnet\"", option, text);
}

static fallible set_once(const char **slot, const char *text, const char *option, const Pool *pool)
{
	if (*slot)
		return error_new(ERROR_INVALID, "option \"--%s\": \"%s\" and \"%s\" are both in \"%s\"", option, *slot,
			text, pool->text);
	*slot = text;
	return NULL;
}

static fallible add_range(Pools *pools, const char *text)
{
	Subnet range;
	Pool *pool = NULL;

	TRY_WRAP(subnet_parse(&range, text), "option \"--ip-range\"");
	TRY(pool_of(&pool, pools, &range.address, "ip-range", text));
	return set_once(&pool->range, text, "ip-range", pool);
}

static fallible add_gateway(Pools *pools, const char *text)
{
	Address address;
	Pool *pool = NULL;

	TRY_WRAP(address_parse(&address, text), "option \"--gateway\"");
	TRY(pool_of(&pool, pools, &address, "gateway", text));
	return set_once(&pool->gateway, text, "gateway", pool);
}

static fallible add_auxiliary(Pools *pools, const char *text)
{
	const char *equals = strchr(text, '=');
	Address address;
	Pool *pool = NULL;

	if (!equals || equals == text)
		return error_new(
			ERROR_INVALID, "option \"--aux-address\": \"%s\" is not of the form NAME=ADDRESS", text);
	TRY_WRAP(address_parse(&address, equals + 1), "option \"--aux-address\"");
	TRY(pool_of(&pool, pools, &address, "aux-address", text));
	autofree char *name = mem_strndup(text, (size_t)(equals - text));
	map_set(&pool->auxiliary, name, equals + 1);
	return NULL;
}

static fallible add_each(Pools *pools, const StringList *words, Error *(*add)(Pools *pools, const char *text))
{
	for (size_t i = 0; i < words->count; i++)
		TRY(add(pools, words->items[i]));
	return NULL;
}

static void write_pool(Writer *writer, const Pool *pool)
{
	write_object(writer, NULL);
	write_string(writer, "Subnet", pool->text);
	if (pool->range)
		write_string(writer, "IPRange", pool->range);
	if (pool->gateway)
		write_string(writer, "Gateway", pool->gateway);
	if (pool->auxiliary.count)
		write_map(writer, "AuxiliaryAddresses", &pool->auxiliary);
	write_object_end(writer);
}

fallible ipam_options_write(Writer *writer, const IpamOptions *options)
{
	autoclear(Pools) pools = {0};

	TRY(add_each(&pools, &options->subnets, add_subnet));
	TRY(add_each(&pools, &options->ranges, add_range));
	TRY(add_each(&pools, &options->gateways, add_gateway));
	TRY(add_each(&pools, &options->auxiliary, add_auxiliary));
	write_object(writer, "IPAM");
	write_string(writer, "Driver", options->driver ? options->driver : "default");
	TRY(pairs_write(writer, "Options", &options->options, "ipam-opt", true));
	write_array(writer, "Config");
	for (size_t i = 0; i < pools.count; i++)
		write_pool(writer, &pools.items[i]);
	write_array_end(writer);
	write_object_end(writer);
	return NULL;
}

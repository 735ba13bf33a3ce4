// SPDX-License-Identifier: Apache-2.0
#include "network/pool.h"

#include <string.h>
#include <sys/socket.h>

#include "base/memory.h"

/* ---- subnets ---- */

const SubnetPool subnet_pools_default[SUBNET_POOLS_DEFAULT] = {
	{{{AF_INET, {172, 17}}, 16}, 16},
	{{{AF_INET, {172, 18}}, 16}, 16},
	{{{AF_INET, {172, 19}}, 16}, 16},
	{{{AF_INET, {172, 20}}, 14}, 16},
	{{{AF_INET, {172, 24}}, 14}, 16},
	{{{AF_INET, {172, 28}}, 14}, 16},
	{{{AF_INET, {192, 168}}, 16}, 20},
};

fallible subnet_pool_parse(SubnetPool *ret, const char *base, int64_t size)
{
	SubnetPool pool;

	TRY(subnet_parse(&pool.base, base));
	if (size < pool.base.prefix || size > (int64_t)address_length(pool.base.address.family) * 8)
		return error_new(ERROR_INVALID, "\"%s\" cannot be cut into networks of /%lld", base, (long long)size);
	pool.size = (int)size;
	*ret = pool;
	return NULL;
}

/* The 40 bits of its "global id" are FNV-1a of the device's. */
SubnetPool subnet_pool_local(const void *device_id, size_t length)
{
	SubnetPool pool = {.base = {{AF_INET6, {0xfd}}, 48}, .size = 64};
	uint64_t hash = UINT64_C(0xcbf29ce484222325);

	for (size_t i = 0; i < length; i++)
		hash = (hash ^ ((const uint8_t *)device_id)[i]) * UINT64_C(0x100000001b3);
	for (size_t i = 1; i <= 5; i++)
		pool.base.address.bytes[i] = (uint8_t)(hash >> (64 - 8 * i));
	return pool;
}

static const Subnet *find_overlap(const Subnet *subnet, const Subnet *taken, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (subnets_overlap(subnet, &taken[i]))
			return &taken[i];
	return NULL;
}

/* The address behind this one, in counting order; false after the very last. */
static bool step(Address *address)
{
	for (size_t i = address_length(address->family); i-- > 0;)
		if (++address->bytes[i])
			return true;
	return false;
}

/* Goes on behind the larger of the two, so that one large route is one step. */
static bool pick_from(Subnet *ret, const SubnetPool *pool, const Subnet *taken, size_t count)
{
	Subnet candidate = {subnet_at(&pool->base, 0), pool->size};
	const Subnet *overlap;

	while ((overlap = find_overlap(&candidate, taken, count))) {
		candidate.address = subnet_last(overlap->prefix < candidate.prefix ? overlap : &candidate);
		if (!step(&candidate.address) || !subnet_contains(&pool->base, &candidate.address))
			return false;
	}
	*ret = candidate;
	return true;
}

fallible subnet_pick(
	Subnet *ret, int family, const SubnetPool *pools, size_t pool_count, const Subnet *taken, size_t taken_count)
{
	for (size_t i = 0; i < pool_count; i++)
		if (pools[i].base.address.family == family && pick_from(ret, &pools[i], taken, taken_count))
			return NULL;
	return error_new(ERROR_NOT_FOUND,
		"could not find an available, non-overlapping IPv%d address pool among the defaults to assign to the "
		"network",
		family == AF_INET6 ? 6 : 4);
}

/* ---- addresses ---- */

struct AddressPool {
	Subnet subnet;
	Address first, last; /* given out between them */
	Address latest;      /* given out last; family 0: none was */
	Address *used;       /* in counting order */
	size_t count, capacity;
};

/* Of IPv4 the first and the last address of a subnet mean all of its hosts, unless there are but two; of IPv6 the first
 * means its routers. */
static bool is_reserved(const Subnet *subnet, const Address *address)
{
	const Address first = subnet_at(subnet, 0), last = subnet_last(subnet);

	if (subnet_size(subnet) <= 2)
		return false;
	return address_equal(address, &first) || (address->family == AF_INET && address_equal(address, &last));
}

fallible address_pool_new(AddressPool **ret, const Subnet *subnet, const Subnet *range)
{
	char text[SUBNET_TEXT_MAX];
	AddressPool *pool;

	if (range && !subnet_covers(subnet, range)) {
		subnet_format(text, range);
		return error_new(ERROR_INVALID, "range %s is not within its subnet", text);
	}
	pool = mem_new(AddressPool);
	pool->subnet = *subnet;
	pool->first = subnet_at(range ? range : subnet, 0);
	pool->last = subnet_last(range ? range : subnet);
	*ret = pool;
	return NULL;
}

AddressPool *address_pool_free(AddressPool *pool)
{
	if (pool)
		free(pool->used);
	free(pool);
	return NULL;
}

const Subnet *address_pool_subnet(const AddressPool *pool)
{
	return &pool->subnet;
}

size_t address_pool_count(const AddressPool *pool)
{
	return pool->count;
}

/* Where the address is, or should be, among those in use. */
static size_t place_of(const AddressPool *pool, const Address *address)
{
	size_t low = 0, high = pool->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (address_compare(&pool->used[middle], address) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static bool is_used(const AddressPool *pool, size_t place, const Address *address)
{
	return place < pool->count && address_equal(&pool->used[place], address);
}

bool address_pool_has(const AddressPool *pool, const Address *address)
{
	return is_used(pool, place_of(pool, address), address);
}

static void insert(AddressPool *pool, size_t place, const Address *address)
{
	if (pool->count == pool->capacity) {
		pool->capacity = pool->capacity ? pool->capacity * 2 : 8;
		pool->used = mem_array(pool->used, pool->capacity, sizeof(*pool->used));
	}
	memmove(pool->used + place + 1, pool->used + place, (pool->count - place) * sizeof(*pool->used));
	pool->used[place] = *address;
	pool->count++;
}

/* The first that is free from `from` up to `to`: the walk goes along those in use. */
static bool take_between(Address *ret, AddressPool *pool, Address from, const Address *to)
{
	size_t place = place_of(pool, &from);

	while (address_compare(&from, to) <= 0) {
		bool used = is_used(pool, place, &from);

		if (!used && !is_reserved(&pool->subnet, &from)) {
			insert(pool, place, &from);
			*ret = pool->latest = from;
			return true;
		}
		place += used;
		if (!step(&from))
			return false;
	}
	return false;
}

fallible address_pool_take(Address *ret, AddressPool *pool)
{
	Address next = pool->latest;

	if (next.family && step(&next) && take_between(ret, pool, next, &pool->last))
		return NULL;
	if (take_between(ret, pool, pool->first, &pool->last))
		return NULL;
	return error_new(ERROR_CONFLICT, "no available IPv%d addresses on this network's address pools",
		pool->subnet.address.family == AF_INET6 ? 6 : 4);
}

fallible address_pool_claim(AddressPool *pool, const Address *address)
{
	size_t place = place_of(pool, address);

	if (!subnet_contains(&pool->subnet, address))
		return error_new(ERROR_INVALID, "Requested address is out of range");
	if (is_used(pool, place, address) || is_reserved(&pool->subnet, address))
		return error_new(ERROR_FORBIDDEN, "Address already in use");
	insert(pool, place, address);
	return NULL;
}

void address_pool_give(AddressPool *pool, const Address *address)
{
	size_t place = place_of(pool, address);

	if (!is_used(pool, place, address))
		return;
	pool->count--;
	memmove(pool->used + place, pool->used + place + 1, (pool->count - place) * sizeof(*pool->used));
}

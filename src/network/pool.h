// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * What is given out: subnets out of large ones to networks, addresses out of a subnet to containers. Pure bookkeeping;
 * whoever asks knows what is in use elsewhere, and rebuilds an AddressPool by claiming.
 */
#include "base/cleanup.h"
#include "network/address.h"

/* A large subnet that is cut into networks of /size. */
typedef struct SubnetPool {
	Subnet base;
	int size;
} SubnetPool;

enum { SUBNET_POOLS_DEFAULT = 7 };
extern const SubnetPool subnet_pools_default[SUBNET_POOLS_DEFAULT]; /* Docker's, all IPv4 */

/* "172.17.0.0/12 size 16" in two parts: ERROR_INVALID for a size that does not fit the base. */
fallible subnet_pool_parse(SubnetPool *ret, const char *base, int64_t size);
/* The unique local prefix (RFC 4193, /48) that belongs to a device, cut into /64: always the same for an id. */
SubnetPool subnet_pool_local(const void *device_id, size_t length);
/* The first of this family that overlaps with none of taken; ERROR_NOT_FOUND in Docker's words. */
fallible subnet_pick(
	Subnet *ret, int family, const SubnetPool *pools, size_t pool_count, const Subnet *taken, size_t taken_count);

/* Addresses of one subnet. Its first address, and of IPv4 its last, are nobody's. */
typedef struct AddressPool AddressPool;

/* range: what address_pool_take() gives out of, NULL: all. ERROR_INVALID when it is not within the subnet. */
fallible address_pool_new(AddressPool **ret, const Subnet *subnet, const Subnet *range);
AddressPool *address_pool_free(AddressPool *pool);
DEFINE_AUTOPTR(AddressPool, address_pool_free)
const Subnet *address_pool_subnet(const AddressPool *pool);
/* The next one behind that taken last: what was just given back rests. ERROR_CONFLICT when none is free. */
fallible address_pool_take(Address *ret, AddressPool *pool);
/* One that is asked for, anywhere in the subnet. In Docker's words ERROR_FORBIDDEN when it is in use, ERROR_INVALID
 * when it is outside. */
fallible address_pool_claim(AddressPool *pool, const Address *address);
bool address_pool_has(const AddressPool *pool, const Address *address); /* whether it is in use */
void address_pool_give(AddressPool *pool, const Address *address);      /* one that is not in use is fine */
size_t address_pool_count(const AddressPool *pool);                     /* in use */

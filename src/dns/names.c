// SPDX-License-Identifier: Apache-2.0
#include "dns/names.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/table.h"
#include "dns/message.h"

typedef struct Name {
	Endpoint **endpoints;
	size_t count;
	size_t turn;
} Name;

typedef struct Network {
	Table *by_container; /* of Endpoint: their owner */
	Table *by_name;      /* of Name */
	Table *by_address;   /* of Endpoint */
} Network;

struct Names {
	Table *networks;
};

/* ---- names of one network ---- */

static void add_name(Network *network, const char *text, Endpoint *endpoint)
{
	Name *name = table_get(network->by_name, text);

	if (!name) {
		name = mem_new(Name);
		table_set(network->by_name, text, name);
	}
	name->endpoints = mem_array(name->endpoints, name->count + 1, sizeof(Endpoint *));
	name->endpoints[name->count++] = endpoint;
}

static void remove_name(Network *network, const char *text, const Endpoint *endpoint)
{
	Name *name = table_get(network->by_name, text);
	size_t kept = 0;

	if (!name)
		return;
	for (size_t i = 0; i < name->count; i++)
		if (name->endpoints[i] != endpoint)
			name->endpoints[kept++] = name->endpoints[i];
	name->count = kept;
	if (kept)
		return;
	table_remove(network->by_name, text);
	free(name->endpoints);
	free(name);
}

/* ---- addresses of one network ---- */

static void add_addresses(Network *network, Endpoint *endpoint)
{
	char reverse[REVERSE_NAME_MAX];

	if (endpoint->has_ipv4) {
		reverse_name_ipv4(reverse, endpoint->ipv4);
		table_set(network->by_address, reverse, endpoint);
	}
	if (endpoint->has_ipv6) {
		reverse_name_ipv6(reverse, &endpoint->ipv6);
		table_set(network->by_address, reverse, endpoint);
	}
}

static void remove_address(Network *network, const char *reverse, const Endpoint *endpoint)
{
	if (table_get(network->by_address, reverse) == endpoint) /* it may be another one's by now */
		table_remove(network->by_address, reverse);
}

static void remove_addresses(Network *network, const Endpoint *endpoint)
{
	char reverse[REVERSE_NAME_MAX];

	if (endpoint->has_ipv4) {
		reverse_name_ipv4(reverse, endpoint->ipv4);
		remove_address(network, reverse, endpoint);
	}
	if (endpoint->has_ipv6) {
		reverse_name_ipv6(reverse, &endpoint->ipv6);
		remove_address(network, reverse, endpoint);
	}
}

/* ---- endpoints ---- */

static Endpoint *endpoint_new(const NamesEntry *entry)
{
	Endpoint *endpoint = mem_new(Endpoint);

	endpoint->container = mem_strdup(entry->container);
	endpoint->generation = entry->generation;
	endpoint->has_ipv4 = inet_pton(AF_INET, entry->ipv4, &endpoint->ipv4) == 1;
	endpoint->has_ipv6 = inet_pton(AF_INET6, entry->ipv6, &endpoint->ipv6) == 1;
	strings_copy(&endpoint->names, entry->names);
	return endpoint;
}

static void endpoint_free(Endpoint *endpoint)
{
	free(endpoint->container);
	strings_clear(&endpoint->names);
	free(endpoint);
}

static void place(Network *network, Endpoint *endpoint)
{
	table_set(network->by_container, endpoint->container, endpoint);
	for (size_t i = 0; i < endpoint->names.count; i++) {
		autofree char *name = string_lower(endpoint->names.items[i]);
		remove_name(network, name, endpoint); /* said twice */
		add_name(network, name, endpoint);
	}
	add_addresses(network, endpoint);
}

static void displace(Network *network, Endpoint *endpoint)
{
	table_remove(network->by_container, endpoint->container);
	for (size_t i = 0; i < endpoint->names.count; i++) {
		autofree char *name = string_lower(endpoint->names.items[i]);
		remove_name(network, name, endpoint);
	}
	remove_addresses(network, endpoint);
	endpoint_free(endpoint);
}

/* Its place in the order stays when nothing has changed. */
static bool is_same(const Endpoint *endpoint, const Endpoint *other)
{
	bool is_equal = endpoint->has_ipv4 == other->has_ipv4 && endpoint->has_ipv6 == other->has_ipv6 &&
			endpoint->ipv4.s_addr == other->ipv4.s_addr &&
			!memcmp(&endpoint->ipv6, &other->ipv6, sizeof(other->ipv6)) &&
			endpoint->names.count == other->names.count;

	for (size_t i = 0; is_equal && i < other->names.count; i++)
		is_equal = string_equal(endpoint->names.items[i], other->names.items[i]);
	return is_equal;
}

/* ---- networks ---- */

static Network *network_of(Names *names, const char *id)
{
	Network *network = table_get(names->networks, id);

	if (network)
		return network;
	network = mem_new(Network);
	network->by_container = table_new();
	network->by_name = table_new();
	network->by_address = table_new();
	table_set(names->networks, id, network);
	return network;
}

static void network_free(Network *network)
{
	const char *container;
	void *endpoint;
	size_t cursor = 0;

	while (table_next(network->by_container, &cursor, &container, &endpoint))
		displace(network, endpoint);
	table_free(network->by_container);
	table_free(network->by_name);
	table_free(network->by_address);
	free(network);
}

static void drop_if_empty(Names *names, const char *id, Network *network)
{
	if (table_count(network->by_container))
		return;
	network_free(network);
	table_remove(names->networks, id);
}

/* ---- all of it ---- */

Names *names_new(void)
{
	Names *names = mem_new(Names);

	names->networks = table_new();
	return names;
}

Names *names_free(Names *names)
{
	void *network;
	size_t cursor = 0;

	if (!names)
		return NULL;
	while (table_next(names->networks, &cursor, NULL, &network))
		network_free(network);
	table_free(names->networks);
	free(names);
	return NULL;
}

void names_set(Names *names, const NamesEntry *entry)
{
	Network *network = network_of(names, entry->network);
	Endpoint *old = table_get(network->by_container, entry->container);
	Endpoint *endpoint = endpoint_new(entry);

	if (old && is_same(old, endpoint)) {
		old->generation = entry->generation;
		endpoint_free(endpoint);
		return;
	}
	if (old)
		displace(network, old);
	place(network, endpoint);
}

void names_remove(Names *names, const char *id, const char *container)
{
	Network *network = table_get(names->networks, id);
	Endpoint *endpoint = network ? table_get(network->by_container, container) : NULL;

	if (!endpoint)
		return;
	displace(network, endpoint);
	drop_if_empty(names, id, network);
}

static void sweep_network(Network *network, unsigned generation)
{
	void *value;
	size_t cursor = 0;

	while (table_next(network->by_container, &cursor, NULL, &value)) {
		Endpoint *endpoint = value;
		if (endpoint->generation != generation)
			displace(network, endpoint);
	}
}

void names_sweep(Names *names, unsigned generation)
{
	const char *id;
	void *network;
	size_t cursor = 0;

	while (table_next(names->networks, &cursor, &id, &network)) {
		sweep_network(network, generation);
		drop_if_empty(names, id, network);
	}
}

/* ---- questions ---- */

bool names_look_up(Names *names, Found *ret, const char *id, const char *text)
{
	const Network *network = table_get(names->networks, id);
	Name *name = network ? table_get(network->by_name, text) : NULL;

	if (!name)
		return false;
	*ret = (Found){.endpoints = name->endpoints, .count = name->count, .first = name->turn++ % name->count};
	return true;
}

const Endpoint *names_endpoint(const Names *names, const char *id, const char *container)
{
	const Network *network = table_get(names->networks, id);

	return network ? table_get(network->by_container, container) : NULL;
}

const Endpoint *names_of_address(const Names *names, const char *id, const char *reverse)
{
	const Network *network = table_get(names->networks, id);

	return network ? table_get(network->by_address, reverse) : NULL;
}

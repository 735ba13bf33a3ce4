// SPDX-License-Identifier: Apache-2.0
/* Addresses and ports that no network and no host could give, said before anything is stopped for them. */
#include <string.h>
#include <sys/socket.h>

#include "base/strings.h"
#include "device/declaration_check.h"
#include "network/address.h"

static fallible check_mac(const char *text)
{
	Mac mac;

	return string_empty(text) ? NULL : mac_parse(&mac, text);
}

static fallible check_address(const char *text, int family)
{
	Address address;

	if (string_empty(text))
		return NULL;
	TRY(address_parse(&address, text));
	if (address.family == family)
		return NULL;
	return error_new(ERROR_INVALID, "\"%.64s\" is not an IPv%d address", text, family == AF_INET ? 4 : 6);
}

static fallible check_endpoint(const EndpointSpec *endpoint, size_t index)
{
	TRY_WRAP(check_address(endpoint->ipv4, AF_INET), "field \"networks[%zu].ipv4\"", index);
	TRY_WRAP(check_address(endpoint->ipv6, AF_INET6), "field \"networks[%zu].ipv6\"", index);
	TRY_WRAP(check_mac(endpoint->mac), "field \"networks[%zu].mac\"", index);
	return NULL;
}

/* ---- ports ---- */

/* Of a range, the first that is free is taken. */
static bool is_fixed(const PortSpec *port)
{
	return port->host_port && port->host_port_end <= port->host_port;
}

static bool is_same_place(const PortSpec *a, const PortSpec *b)
{
	if (!is_fixed(a) || !is_fixed(b) || a->host_port != b->host_port || a->protocol != b->protocol)
		return false;
	return string_empty(a->host_address) || string_empty(b->host_address) ||
	       strcmp(a->host_address, b->host_address) == 0;
}

static fallible check_ports(const FieldArray *ports)
{
	const PortSpec *items = ports->items;

	for (size_t i = 0; i < ports->count; i++)
		for (size_t j = 0; j < i; j++)
			if (is_same_place(&items[i], &items[j]))
				return error_new(ERROR_INVALID,
					"field \"ports[%zu]\": port %lld/%s of the host is published twice", i,
					(long long)items[i].host_port, protocol_names[items[i].protocol]);
	return NULL;
}

fallible declaration_check_network(const Declaration *declaration)
{
	const EndpointSpec *endpoints = declaration->spec.endpoints.items;

	TRY_WRAP(check_mac(declaration->spec.mac_address), "field \"macAddress\"");
	for (size_t i = 0; i < declaration->spec.endpoints.count; i++)
		TRY(check_endpoint(&endpoints[i], i));
	return check_ports(&declaration->spec.ports);
}

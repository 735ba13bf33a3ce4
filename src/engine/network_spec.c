// SPDX-License-Identifier: Apache-2.0
/* What can be told of a network, and of what a container asks of one, without looking at the host. */
#include <ctype.h>
#include <string.h>

#include "base/memory.h"
#include "engine/network_internal.h"

/* SUBNETS_MAX: with one that is chosen, and a link-local one, its bridge and its rules have room for them. */
enum { NAME_MAX_LENGTH = 255, MTU_MIN = 68, MTU_MAX = 65535, SUBNETS_MAX = 6 };

#define BRIDGE "com.docker.network.bridge."

static fallible check_name(const char *name)
{
	if (strlen(name) > NAME_MAX_LENGTH)
		return error_new(
			ERROR_INVALID, "a network's name must not be longer than %d characters", NAME_MAX_LENGTH);
	for (const char *c = name; *c; c++)
		if (iscntrl((unsigned char)*c) || *c == '/' || isspace((unsigned char)*c))
			return error_new(ERROR_INVALID,
				"invalid name: \"%s\": white space and \"/\" cannot be in a network's name", name);
	return NULL;
}

/* ---- options ---- */

static fallible check_flag(const char *value)
{
	bool ignored;

	return flag_parse(&ignored, value);
}

static fallible check_mtu(const char *value)
{
	int64_t mtu;

	return string_to_int64(&mtu, value, MTU_MIN, MTU_MAX);
}

/* The kernel takes more; but a name becomes a part of rules that nft and iptables read, where "+" and "*" stand for
 * more than one link, and "%d" is a number to the kernel. */
static bool is_interface_name(const char *value)
{
	size_t length = strlen(value);

	if (!length || length > INTERFACE_NAME_MAX || strspn(value, ".") == length || *value == '-')
		return false;
	for (const char *c = value; *c; c++)
		if (!isalnum((unsigned char)*c) && !strchr("._-@", *c))
			return false;
	return true;
}

fallible interface_name_check(const char *value)
{
	if (!is_interface_name(value))
		return error_new(ERROR_INVALID,
			"\"%s\" is no name of an interface (1 to %d letters, digits and \"._-@\")", value,
			INTERFACE_NAME_MAX);
	return NULL;
}

static fallible check_prefix(const char *value)
{
	TRY(interface_name_check(value));
	return strlen(value) < INTERFACE_NAME_MAX - 3 ? NULL : error_new(ERROR_INVALID, "\"%s\" is too long", value);
}

static fallible check_address(const char *value)
{
	Address address;

	return *value ? address_parse(&address, value) : NULL;
}

static fallible check_of_family(const char *value, int family)
{
	Address address = {.family = family};

	if (*value)
		TRY(address_parse(&address, value));
	if (address.family != family)
		return error_new(ERROR_INVALID, "\"%s\" is no IPv%d address", value, family == AF_INET ? 4 : 6);
	return NULL;
}

static fallible check_ipv4(const char *value)
{
	return check_of_family(value, AF_INET);
}

static fallible check_ipv6(const char *value)
{
	return check_of_family(value, AF_INET6);
}

static fallible check_gateway_mode(const char *value)
{
	GatewayMode mode;

	return gateway_mode_parse(&mode, value);
}

static const struct OptionRule {
	const char *name;
	Error *(*check)(const char *value);
} option_rules[] = {
	{BRIDGE "name", interface_name_check},
	{BRIDGE "enable_icc", check_flag},
	{BRIDGE "enable_ip_masquerade", check_flag},
	{BRIDGE "default_bridge", check_flag},
	{BRIDGE "inhibit_ipv4", check_flag},
	{BRIDGE "host_binding_ipv4", check_address},
	{BRIDGE "gateway_mode_ipv4", check_gateway_mode},
	{BRIDGE "gateway_mode_ipv6", check_gateway_mode},
	{"com.docker.network.host_ipv4", check_ipv4},
	{"com.docker.network.host_ipv6", check_ipv6},
	{"com.docker.network.driver.mtu", check_mtu},
	{"com.docker.network.container_iface_prefix", check_prefix},
};

static fallible check_options(const NetworkSpec *spec)
{
	for (size_t i = 0; i < COUNT(option_rules); i++) {
		const char *value = map_get(&spec->options, option_rules[i].name);
		if (value)
			TRY_WRAP(option_rules[i].check(value), "option \"%s\"", option_rules[i].name);
	}
	return NULL;
}

/* ---- of one interface of the host, without a bridge ---- */

static const char *const macvlan_modes[] = {"bridge", "private", "vepa", "passthru"};
static const char *const ipvlan_modes[] = {"l2", "l3", "l3s"};

static fallible check_mode(const NetworkSpec *spec, const char *option, const char *const *modes, size_t count)
{
	const char *mode = map_get(&spec->options, option);

	if (string_empty(mode) || names_find(modes, count, mode) >= 0)
		return NULL;
	return error_new(ERROR_INVALID, "option \"%s\": \"%s\" is unknown", option, mode);
}

static fallible check_child(const NetworkSpec *spec)
{
	const char *parent = map_get(&spec->options, "parent");

	if (string_empty(parent))
		return error_hint(error_new(ERROR_INVALID,
					  "option \"parent\" is missing: a %s network is on an interface "
					  "of the host",
					  network_driver_names[spec->driver]),
			"say -o parent=eth0");
	TRY_WRAP(interface_name_check(parent), "option \"parent\"");
	if (spec->driver == NETWORK_DRIVER_MACVLAN)
		return check_mode(spec, "macvlan_mode", macvlan_modes, COUNT(macvlan_modes));
	return check_mode(spec, "ipvlan_mode", ipvlan_modes, COUNT(ipvlan_modes));
}

/* ---- addresses ---- */

static fallible check_inside(const Subnet *subnet, const char *text, const char *what)
{
	Address address;

	TRY_WRAP(address_parse(&address, text), "%s", what);
	if (!subnet_contains(subnet, &address))
		return error_new(ERROR_INVALID, "%s %s is not in the subnet", what, text);
	return NULL;
}

static fallible check_range(const Subnet *subnet, const char *text)
{
	Subnet range;

	TRY_WRAP(subnet_parse(&range, text), "ip-range");
	if (range.prefix < subnet->prefix || !subnet_contains(subnet, &range.address))
		return error_new(ERROR_INVALID, "ip-range %s is not in the subnet", text);
	return NULL;
}

/* Addresses that no card can have, or that mean every one. Source: RFC 6890, RFC 4291 2.4. */
static fallible check_usable(const Subnet *subnet, const char *text)
{
	static const char *const special[] = {
		"0.0.0.0/8", "127.0.0.0/8", "224.0.0.0/3", "::1/128", "::/128", "fe80::/10", "ff00::/8"};

	for (size_t i = 0; i < COUNT(special); i++) {
		Subnet other;
		TRY(subnet_parse(&other, special[i]));
		if (subnets_overlap(subnet, &other))
			return error_new(ERROR_INVALID, "subnet %s cannot be a network's: %s is for other purposes",
				text, special[i]);
	}
	return NULL;
}

static fallible check_pool(const PoolSpec *pool, bool has_ipv6)
{
	Subnet subnet;

	if (string_empty(pool->subnet)) {
		if (!string_empty(pool->range) || !string_empty(pool->gateway) || pool->auxiliary.count)
			return error_new(ERROR_INVALID, "it has no subnet");
		return NULL;
	}
	TRY_WRAP(subnet_parse(&subnet, pool->subnet), "subnet");
	TRY(check_usable(&subnet, pool->subnet));
	if (subnet.address.family == AF_INET6 && !has_ipv6)
		return error_hint(
			error_new(ERROR_INVALID, "subnet %s: the network has no IPv6", pool->subnet), "say --ipv6");
	if (!string_empty(pool->range))
		TRY(check_range(&subnet, pool->range));
	if (!string_empty(pool->gateway))
		TRY(check_inside(&subnet, pool->gateway, "gateway"));
	for (size_t i = 0; i < pool->auxiliary.count; i++)
		TRY(check_inside(&subnet, pool->auxiliary.items[i].value, "auxiliary address"));
	return NULL;
}

/* A bridge has one subnet of each family: from a second one nobody would be given an address. */
static fallible check_pools_of_bridge(const NetworkSpec *spec)
{
	const PoolSpec *pools = spec->pools.items;
	size_t counts[2] = {0};

	for (size_t i = 0; i < spec->pools.count; i++) {
		bool is_ipv6 = !string_empty(pools[i].subnet) && strchr(pools[i].subnet, ':');
		if (++counts[is_ipv6] > 1)
			return error_new(ERROR_FORBIDDEN,
				"bridge driver doesn't support multiple subnets: subnet \"%s\" is the second one of "
				"IPv%d",
				string_empty(pools[i].subnet) ? "" : pools[i].subnet, is_ipv6 ? 6 : 4);
	}
	return NULL;
}

fallible network_spec_check(const NetworkSpec *spec)
{
	const PoolSpec *pools = spec->pools.items;

	TRY(check_name(spec->name));
	if (spec->pools.count > SUBNETS_MAX)
		return error_new(ERROR_INVALID, "a network has at most %d subnets", SUBNETS_MAX);
	for (size_t i = 0; i < spec->pools.count; i++)
		TRY_WRAP(check_pool(&pools[i], spec->has_ipv6), "IPAM.Config[%zu]", i);
	if (spec->driver == NETWORK_DRIVER_BRIDGE)
		TRY(check_pools_of_bridge(spec));
	if (spec->driver == NETWORK_DRIVER_MACVLAN || spec->driver == NETWORK_DRIVER_IPVLAN)
		TRY(check_child(spec));
	return check_options(spec);
}

/* ---- options, read: they were checked ---- */

fallible flag_parse(bool *ret, const char *text)
{
	static const char *const yes[] = {"1", "t", "T", "true", "TRUE", "True"};
	static const char *const no[] = {"0", "f", "F", "false", "FALSE", "False"};

	*ret = names_find(yes, COUNT(yes), text) >= 0;
	if (*ret || names_find(no, COUNT(no), text) >= 0)
		return NULL;
	return error_new(ERROR_INVALID, "\"%s\" is neither true nor false", text);
}

fallible gateway_mode_parse(GatewayMode *ret, const char *text)
{
	static const char *const names[GATEWAY_MODES] = {
		[GATEWAY_NAT] = "nat",
		[GATEWAY_ROUTED] = "routed",
		[GATEWAY_UNPROTECTED] = "nat-unprotected",
	};
	int mode = names_find(names, GATEWAY_MODES, text);

	if (mode < 0)
		return error_new(ERROR_INVALID, "\"%s\" is none of nat, routed and nat-unprotected", text);
	*ret = (GatewayMode)mode;
	return NULL;
}

bool network_flag(const Network *network, const char *option, bool otherwise)
{
	const char *text = network_option(network, option);
	bool value = otherwise;

	if (text)
		error_free(flag_parse(&value, text));
	return value;
}

GatewayMode network_gateway_mode(const Network *network, int family)
{
	const char *text =
		network_option(network, family == AF_INET ? BRIDGE "gateway_mode_ipv4" : BRIDGE "gateway_mode_ipv6");
	GatewayMode mode = GATEWAY_NAT;

	if (text)
		error_free(gateway_mode_parse(&mode, text));
	return mode;
}

int network_mtu(const Network *network)
{
	const char *text = network_option(network, "com.docker.network.driver.mtu");
	int64_t mtu = 0;

	if (text)
		error_free(string_to_int64(&mtu, text, MTU_MIN, MTU_MAX));
	return (int)mtu;
}

/* ---- what a container asks of it: the words are Docker's ---- */

static fallible check_default(const EndpointSpec *endpoint)
{
	if (endpoint->aliases.count)
		return error_new(ERROR_INVALID, "network-scoped aliases are only supported for user-defined networks");
	if (!string_empty(endpoint->ipv4) || !string_empty(endpoint->ipv6))
		return error_new(ERROR_INVALID, "user specified IP address is supported on user defined networks only");
	return NULL;
}

/* Where kedge has chosen the subnet, the next network of that name may have another one. */
static fallible check_asked(const Network *network, const char *text, int family)
{
	const PoolSpec *pools = network->record.spec.pools.items;
	bool is_configured = false;
	Address address;

	if (string_empty(text))
		return NULL;
	TRY_WRAP(address_parse(&address, text), "invalid IPv%d address", family == AF_INET ? 4 : 6);
	if (address.family != family)
		return error_new(ERROR_INVALID, "invalid IPv%d address: %s", family == AF_INET ? 4 : 6, text);
	if (network->record.spec.driver == NETWORK_DRIVER_CNI)
		return NULL; /* its plugins know */
	for (size_t i = 0; i < network->pool_count; i++) {
		if (!pools[i].is_chosen && subnet_contains(&network->pools[i].subnet, &address))
			return NULL;
		is_configured |= !pools[i].is_chosen && network->pools[i].subnet.address.family == family;
	}
	if (!is_configured)
		return error_new(ERROR_INVALID,
			"user specified IP address is supported only when connecting to networks "
			"with user configured subnets");
	return error_new(ERROR_INVALID, "no configured subnet contains IP address %s", text);
}

/* What comes is limited at the host's end of the container's link, which not every link has. */
static fallible check_bandwidth(const Network *network, const EndpointSpec *endpoint)
{
	int driver = network->record.spec.driver;
	int64_t ingress, egress;

	TRY(endpoint_bandwidth(&ingress, &egress, endpoint));
	if (ingress && driver != NETWORK_DRIVER_BRIDGE && driver != NETWORK_DRIVER_CNI)
		return error_new(ERROR_INVALID,
			"driver option \"kedge.bandwidth.ingress\": what comes to a container on a %s network cannot "
			"be limited",
			network_driver_names[driver]);
	return NULL;
}

fallible network_check_endpoint(const Network *network, const EndpointSpec *endpoint)
{
	Mac mac;

	if (network->is_predefined)
		TRY(check_default(endpoint));
	TRY(check_asked(network, endpoint->ipv4, AF_INET));
	TRY(check_asked(network, endpoint->ipv6, AF_INET6));
	for (size_t i = 0; i < endpoint->link_local.count; i++)
		TRY_WRAP(check_address(endpoint->link_local.items[i]), "link-local address");
	if (!string_empty(endpoint->mac))
		TRY_WRAP(mac_parse(&mac, endpoint->mac), "invalid MAC address");
	return check_bandwidth(network, endpoint);
}

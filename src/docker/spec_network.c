// SPDX-License-Identifier: Apache-2.0
#include "docker/spec_network.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "docker/spec.h"
#include "engine/network.h"

#define BINDINGS "field \"HostConfig.PortBindings\""

enum { PORTS_MAX = 65536, PORT_NAME_MAX = 16 };

/* ---- the mode ---- */

const char *network_mode_shown(const ContainerSpec *spec)
{
	return string_empty(spec->network_mode) ? "default" : spec->network_mode;
}

bool network_is_default(const ContainerSpec *spec)
{
	const char *mode = network_mode_shown(spec);

	return string_equal(mode, "default") || string_equal(mode, NETWORK_BRIDGE);
}

const char *network_builtin_of(const ContainerSpec *spec)
{
	static const char *const names[] = {NETWORK_HOST, NETWORK_NONE};
	int index = names_find(names, COUNT(names), network_mode_shown(spec));

	return index < 0 ? NULL : names[index];
}

/* clang-format off */
#define PART(key, type, of, member) { .name = (key), .kind = (type), .offset = offsetof(of, member) }

/* ---- endpoints ---- */

static const Field ipam_fields[] = {
	PART("IPv4Address", FIELD_STRING, EndpointSpec, ipv4),
	PART("IPv6Address", FIELD_STRING, EndpointSpec, ipv6),
	PART("LinkLocalIPs", FIELD_STRINGS, EndpointSpec, link_local),
	FIELDS_END,
};

static const Field endpoint_fields[] = {
	{ .name = "IPAMConfig", .kind = FIELD_OBJECT, .sub = ipam_fields },
	PART("Links", FIELD_STRINGS, EndpointSpec, links),
	PART("Aliases", FIELD_STRINGS, EndpointSpec, aliases),
	PART("MacAddress", FIELD_STRING, EndpointSpec, mac),
	PART("DriverOpts", FIELD_MAP, EndpointSpec, options),
	{ .name = "GwPriority", .kind = FIELD_INT, .offset = offsetof(EndpointSpec, priority), .min = INT32_MIN, .max = INT32_MAX },
	FIELDS_END,
};
/* clang-format on */

static void drop_empty(char **text)
{
	if (*text && !**text)
		string_replace(text, NULL);
}

fallible endpoint_settings_read(EndpointSpec *ret, const Value *settings)
{
	if (value_is_null(settings))
		return NULL;
	TRY(fields_read(endpoint_fields, ret, settings, 0));
	drop_empty(&ret->ipv4);
	drop_empty(&ret->ipv6);
	drop_empty(&ret->mac);
	return NULL;
}

static bool is_no_network(const char *name)
{
	return string_equal(name, NETWORK_HOST) || string_equal(name, NETWORK_NONE) ||
	       string_starts(name, "container:");
}

static fallible check_nothing_asked(const char *name, const Value *settings)
{
	for (const Field *field = endpoint_fields; field->name; field++)
		if (!spec_asks_for_nothing(value_get(settings, field->name), NULL))
			return error_new(ERROR_INVALID,
				"field \"NetworkingConfig.EndpointsConfig.%.300s.%s\": only networks of a user's own "
				"have "
				"it",
				name, field->name);
	return NULL;
}

static void *add_item(FieldArray *array, size_t size)
{
	array->items = mem_array(array->items, array->count + 1, size);
	return memset((char *)array->items + size * array->count++, 0, size);
}

fallible endpoints_config_read(FieldArray *ret, const Value *config)
{
	const char *name;
	Value *settings;
	size_t cursor = 0;

	while (value_each(config, &cursor, &name, &settings)) {
		if (is_no_network(name)) {
			TRY(check_nothing_asked(name, settings));
			continue;
		}
		EndpointSpec *endpoint = add_item(ret, sizeof(EndpointSpec));
		endpoint->network = mem_strdup(name);
		TRY_WRAP(endpoint_settings_read(endpoint, settings), "NetworkingConfig.EndpointsConfig.%.300s", name);
	}
	return NULL;
}

/* ---- ports ---- */

/* "", "8080", "8080-8090" */
static fallible read_host_ports(PortSpec *ret, const char *text)
{
	size_t dash = strcspn(text, "-");
	autofree char *first = mem_strndup(text, dash);
	Error *error;

	if (!*text)
		return NULL;
	error = string_to_int64(&ret->host_port, first, 0, UINT16_MAX);
	if (!error && text[dash])
		error = string_to_int64(&ret->host_port_end, text + dash + 1, ret->host_port, UINT16_MAX);
	if (!error && ret->host_port_end && !ret->host_port)
		return error_new(
			ERROR_INVALID, BINDINGS ": a range of host ports cannot begin with 0: \"%.64s\"", text);
	if (!error)
		return NULL;
	error_free(error); /* Docker's words say it */
	return error_new(ERROR_INVALID, "invalid port specification: \"%.64s\"", text);
}

static fallible read_host_address(PortSpec *ret, const char *text)
{
	struct in6_addr address;

	if (string_empty(text))
		return NULL;
	if (inet_pton(AF_INET, text, &address) != 1 && inet_pton(AF_INET6, text, &address) != 1)
		return error_new(ERROR_INVALID, "invalid IP address: %.64s", text);
	ret->host_address = mem_strdup(text);
	return NULL;
}

static fallible check_text(const Value *binding, const char *key)
{
	const Value *value = value_get(binding, key);

	if (value_is_null(value) || value_is_string(value))
		return NULL;
	return error_new(ERROR_INVALID, BINDINGS ": \"%s\" must be a string", key);
}

static fallible check_binding(const Value *binding)
{
	if (!value_is_object(binding) && !value_is_null(binding))
		return error_new(ERROR_INVALID, BINDINGS ": a binding must be an object");
	TRY(check_text(binding, "HostIp"));
	return check_text(binding, "HostPort");
}

static fallible read_binding(FieldArray *ports, const PortSpec *inside, const Value *binding)
{
	const char *host_port = value_string(value_get(binding, "HostPort"));
	PortSpec *port;

	TRY(check_binding(binding));
	if (ports->count == PORTS_MAX)
		return error_new(ERROR_INVALID, BINDINGS ": more than %d", PORTS_MAX);
	port = add_item(ports, sizeof(PortSpec));
	*port = *inside;
	TRY(read_host_ports(port, host_port ? host_port : ""));
	return read_host_address(port, value_string(value_get(binding, "HostIp")));
}

static fallible read_inside(PortSpec *ret, const char *name)
{
	Error *error = port_parse(&ret->port, &ret->protocol, name);

	if (!error)
		return NULL;
	error_free(error); /* as above */
	return error_new(ERROR_INVALID, "invalid port specification: \"%.*s\"", (int)strcspn(name, "/"), name);
}

fallible port_bindings_read(FieldArray *ret, const Value *bindings)
{
	const char *name;
	Value *list;
	size_t cursor = 0;

	while (value_each(bindings, &cursor, &name, &list)) {
		PortSpec inside = {0};
		TRY(read_inside(&inside, name));
		if (!value_is_array(list) && !value_is_null(list))
			return error_new(ERROR_INVALID, "field \"HostConfig.PortBindings.%s\" must be an array", name);
		for (size_t i = 0; i < value_count(list); i++)
			TRY(read_binding(ret, &inside, value_at(list, i)));
	}
	return NULL;
}

/* ---- links ---- */

/* "other:alias", "other", and "/other:/name/alias", as an inspect has them. */
static fallible read_link(StringList *ret, const char *text)
{
	const char *name = text + (*text == '/'), *colon = strchr(name, ':');
	const char *alias = colon ? colon + 1 : name, *slash = strrchr(alias, '/');

	alias = slash ? slash + 1 : alias;
	if (!*alias || colon == name || (colon && strchr(colon + 1, ':')))
		return error_new(ERROR_INVALID, "bad format for links: %.300s", text);
	strings_printf(ret, "%.*s:%s", (int)strcspn(name, ":"), name, alias);
	return NULL;
}

fallible links_read(StringList *ret, const StringList *links)
{
	for (size_t i = 0; i < links->count; i++)
		TRY(read_link(ret, links->items[i]));
	return NULL;
}

/* ---- shown ---- */

static void write_host_port(Writer *writer, const PortSpec *port)
{
	if (port->host_port_end > port->host_port)
		write_stringf(
			writer, "HostPort", "%lld-%lld", (long long)port->host_port, (long long)port->host_port_end);
	else if (port->host_port)
		write_stringf(writer, "HostPort", "%lld", (long long)port->host_port);
	else
		write_string(writer, "HostPort", "");
}

typedef struct NamedPort {
	char name[PORT_NAME_MAX];
	const PortSpec *spec;
} NamedPort;

static int compare_named(const void *a, const void *b)
{
	const NamedPort *one = a, *other = b;
	int order = strcmp(one->name, other->name);

	return order ? order : one->spec < other->spec ? -1 : 1;
}

/* Owned. Those of a name stand one behind the other, as they were read: "80" and "80/tcp" are one. */
static NamedPort *sort_ports(const ContainerSpec *spec)
{
	const PortSpec *ports = spec->ports.items;
	NamedPort *sorted = mem_array(NULL, spec->ports.count + 1, sizeof(*sorted));

	for (size_t i = 0; i < spec->ports.count; i++) {
		sorted[i].spec = &ports[i];
		snprintf(sorted[i].name, PORT_NAME_MAX, "%d/%s", (int)ports[i].port, protocol_names[ports[i].protocol]);
	}
	qsort(sorted, spec->ports.count, sizeof(*sorted), compare_named);
	return sorted;
}

static void write_binding(Writer *writer, const PortSpec *port)
{
	write_object(writer, NULL);
	write_string(writer, "HostIp", port->host_address);
	write_host_port(writer, port);
	write_object_end(writer);
}

void write_port_bindings(Writer *writer, const ContainerSpec *spec)
{
	autofree NamedPort *ports = sort_ports(spec);
	size_t count = spec->ports.count;

	write_object(writer, "PortBindings");
	for (size_t i = 0; i < count; i++) {
		if (i == 0 || !string_equal(ports[i - 1].name, ports[i].name))
			write_array(writer, ports[i].name);
		write_binding(writer, ports[i].spec);
		if (i + 1 == count || !string_equal(ports[i].name, ports[i + 1].name))
			write_array_end(writer);
	}
	write_object_end(writer);
}

/* Of a network of the user's own they are that endpoint's. */
void write_host_links(Writer *writer, const ContainerSpec *spec, const char *name)
{
	if (!spec->links.count || !network_is_default(spec)) {
		write_null(writer, "Links");
		return;
	}
	write_array(writer, "Links");
	for (size_t i = 0; i < spec->links.count; i++) {
		const char *link = spec->links.items[i];
		write_stringf(writer, NULL, "/%.*s:/%s/%s", (int)strcspn(link, ":"), link, name, strchr(link, ':') + 1);
	}
	write_array_end(writer);
}

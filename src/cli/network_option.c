// SPDX-License-Identifier: Apache-2.0
/* Source: docker's own program, opts/network.go and cli/command/container/opts.go. */
#include "cli/network_option.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

/* ---- fields ---- */

static fallible set_once(char **slot, const char *value)
{
	if (*slot)
		return error_new(ERROR_INVALID, "it is there twice");
	*slot = mem_strdup(value);
	return NULL;
}

static fallible set_name(EndpointOption *option, const char *value)
{
	return set_once(&option->network, value);
}

static fallible add_alias(EndpointOption *option, const char *value)
{
	strings_add(&option->aliases, value);
	return NULL;
}

static fallible set_ip(EndpointOption *option, const char *value)
{
	return set_once(&option->ip, value);
}

static fallible set_ip6(EndpointOption *option, const char *value)
{
	return set_once(&option->ip6, value);
}

static fallible add_link_local_ip(EndpointOption *option, const char *value)
{
	strings_add(&option->link_local_ips, value);
	return NULL;
}

static fallible set_mac(EndpointOption *option, const char *value)
{
	return set_once(&option->mac, value);
}

static fallible add_driver_option(EndpointOption *option, const char *value)
{
	const char *equals = strchr(value, '=');
	autofree char *name = equals ? mem_strndup(value, (size_t)(equals - value)) : NULL;

	if (string_empty(name))
		return error_new(ERROR_INVALID, "\"%s\" is not of the form NAME=VALUE", value);
	map_set(&option->driver_options, name, equals + 1);
	return NULL;
}

static fallible set_priority(EndpointOption *option, const char *value)
{
	bool is_negative = value[0] == '-';

	TRY(string_to_int64(&option->priority, value + is_negative, 0, INT32_MAX));
	option->priority *= is_negative ? -1 : 1;
	return NULL;
}

static const struct {
	const char *name;
	Error *(*set)(EndpointOption *option, const char *value);
} endpoint_fields[] = {
	{"name", set_name},
	{"alias", add_alias},
	{"ip", set_ip},
	{"ip6", set_ip6},
	{"mac-address", set_mac},
	{"link-local-ip", add_link_local_ip},
	{"driver-opt", add_driver_option},
	{"gw-priority", set_priority},
};

/* ---- one --network ---- */

static fallible read_field(EndpointOption *option, const char *text)
{
	size_t length = strcspn(text, "=");

	if (!text[length])
		return error_new(ERROR_INVALID, "\"%s\" is not of the form NAME=VALUE", text);
	for (size_t i = 0; i < COUNT(endpoint_fields); i++) {
		if (strlen(endpoint_fields[i].name) != length || strncmp(endpoint_fields[i].name, text, length) != 0)
			continue;
		TRY_WRAP(endpoint_fields[i].set(option, text + length + 1), "field \"%s\"", endpoint_fields[i].name);
		return NULL;
	}
	return error_new(ERROR_INVALID, "field \"%.*s\" is unknown", (int)length, text);
}

static fallible read_fields(EndpointOption *option, const char *text)
{
	autoclear(StringList) cells = {0};

	TRY(csv_split(&cells, text));
	for (size_t i = 0; i < cells.count; i++)
		TRY(read_field(option, cells.items[i]));
	return string_empty(option->network) ? error_new(ERROR_INVALID, "field \"name\" is missing") : NULL;
}

fallible endpoint_option_parse(EndpointOption *ret, const char *text)
{
	if (!strchr(text, '=')) {
		string_replace(&ret->network, text);
		return NULL;
	}
	TRY_WRAP(read_fields(ret, text), "option \"--network\": \"%s\"", text);
	return NULL;
}

fallible endpoint_option_add_driver_options(EndpointOption *option, const StringList *words)
{
	for (size_t i = 0; i < words->count; i++)
		TRY_WRAP(add_driver_option(option, words->items[i]), "option \"--driver-opt\"");
	return NULL;
}

fallible endpoint_option_set_priority(EndpointOption *option, const char *text)
{
	TRY_WRAP(set_priority(option, text), "option \"--gw-priority\"");
	return NULL;
}

void endpoint_option_clear(EndpointOption *option)
{
	char *texts[] = {option->network, option->ip, option->ip6, option->mac};
	StringList *lists[] = {&option->aliases, &option->links, &option->link_local_ips};

	for (size_t i = 0; i < COUNT(texts); i++)
		free(texts[i]);
	for (size_t i = 0; i < COUNT(lists); i++)
		strings_clear(lists[i]);
	map_clear(&option->driver_options);
	*option = (EndpointOption){0};
}

/* ---- the API's form ---- */

static void write_given(Writer *writer, const char *key, const char *text)
{
	if (text)
		write_string(writer, key, text);
}

static void write_list(Writer *writer, const char *key, const StringList *list)
{
	if (list->count)
		write_strings(writer, key, list);
}

static void write_addresses(Writer *writer, const EndpointOption *option)
{
	if (!option->ip && !option->ip6 && !option->link_local_ips.count)
		return;
	write_object(writer, "IPAMConfig");
	write_given(writer, "IPv4Address", option->ip);
	write_given(writer, "IPv6Address", option->ip6);
	write_list(writer, "LinkLocalIPs", &option->link_local_ips);
	write_object_end(writer);
}

void endpoint_option_write(Writer *writer, const char *key, const EndpointOption *option)
{
	write_object(writer, key);
	write_addresses(writer, option);
	write_list(writer, "Links", &option->links);
	write_list(writer, "Aliases", &option->aliases);
	write_given(writer, "MacAddress", option->mac);
	if (option->driver_options.count)
		write_map(writer, "DriverOpts", &option->driver_options);
	if (option->priority)
		write_int(writer, "GwPriority", option->priority);
	write_object_end(writer);
}

/* ---- all of a container ---- */

static fallible check_free(bool is_taken, const char *option, const char *field)
{
	return is_taken ? error_new(ERROR_INVALID, "options \"--%s\" and \"--network\" with \"%s=\" exclude each other",
				  option, field)
			: NULL;
}

static fallible set_text(char **slot, const char *text, const char *option, const char *field)
{
	if (!text)
		return NULL;
	TRY(check_free(*slot, option, field));
	*slot = mem_strdup(text);
	return NULL;
}

static fallible set_list(StringList *list, const StringList *words, const char *option, const char *field)
{
	if (!words->count)
		return NULL;
	TRY(check_free(list->count, option, field));
	strings_copy(list, words);
	return NULL;
}

static bool is_users_own(const char *network)
{
	static const char *const names[] = {"default", "bridge", "host", "none"};

	return names_find(names, COUNT(names), network) < 0 && !string_starts(network, "container:");
}

/* --ip and the like are of the first network. */
static fallible set_common(EndpointOption *first, const ContainerOptions *options)
{
	TRY(set_text(&first->ip, options->ip, "ip", "ip"));
	TRY(set_text(&first->ip6, options->ip6, "ip6", "ip6"));
	TRY(set_text(&first->mac, options->mac_address, "mac-address", "mac-address"));
	TRY(set_list(&first->aliases, &options->network_aliases, "network-alias", "alias"));
	if (is_users_own(first->network)) /* others have links in HostConfig alone */
		strings_copy(&first->links, &options->links);
	return set_list(&first->link_local_ips, &options->link_local_ips, "link-local-ip", "link-local-ip");
}

static fallible check_names(const NetworkOptions *networks)
{
	bool first_is_own = networks->count && is_users_own(networks->items[0].network);

	for (size_t i = 1; i < networks->count; i++) {
		const char *name = networks->items[i].network;
		if (is_users_own(name) != first_is_own)
			return error_new(ERROR_INVALID,
				"option \"--network\": \"%s\" does not go with \"%s\": one of them is no user's own "
				"network",
				name, networks->items[0].network);
		for (size_t j = 0; j < i; j++)
			if (string_equal(networks->items[j].network, name))
				return error_new(ERROR_INVALID, "option \"--network\": \"%s\" is there twice", name);
	}
	return NULL;
}

static EndpointOption *add_network(NetworkOptions *networks)
{
	networks->items = mem_array(networks->items, networks->count + 1, sizeof(EndpointOption));
	networks->items[networks->count] = (EndpointOption){0};
	return &networks->items[networks->count++];
}

fallible network_options_read(NetworkOptions *ret, const ContainerOptions *options)
{
	for (size_t i = 0; i < options->networks.count; i++)
		TRY(endpoint_option_parse(add_network(ret), options->networks.items[i]));
	if (ret->count == 0)
		add_network(ret)->network = mem_strdup("default");
	TRY(check_names(ret));
	return set_common(&ret->items[0], options);
}

void network_options_clear(NetworkOptions *networks)
{
	for (size_t i = 0; i < networks->count; i++)
		endpoint_option_clear(&networks->items[i]);
	free(networks->items);
	*networks = (NetworkOptions){0};
}

const char *network_options_mode(const NetworkOptions *networks)
{
	const char *first = networks->items[0].network;

	return string_equal(first, "default") ? NULL : first;
}

static bool says_more_than_its_name(const EndpointOption *option)
{
	return option->aliases.count || option->links.count || option->link_local_ips.count ||
	       option->driver_options.count || option->ip || option->ip6 || option->mac || option->priority;
}

void network_options_write(Writer *writer, const NetworkOptions *networks)
{
	if (networks->count == 1 && !says_more_than_its_name(&networks->items[0]))
		return;
	write_object(writer, "NetworkingConfig");
	write_object(writer, "EndpointsConfig");
	for (size_t i = 0; i < networks->count; i++)
		endpoint_option_write(writer, networks->items[i].network, &networks->items[i]);
	write_object_end(writer);
	write_object_end(writer);
}

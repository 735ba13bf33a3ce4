// SPDX-License-Identifier: Apache-2.0
#include "cni/network.h"

#include <ctype.h>
#include <fcntl.h>
#include <stddef.h>
#include <string.h>

#include "base/files.h"
#include "base/memory.h"
#include "cni/version.h"
#include "json/fields.h"

/* ---- one document ---- */

typedef struct PluginHead {
	char *type;
	Value *capabilities;
} PluginHead;

typedef struct ListHead {
	char *version, *name;
	Value *disables_check;
	FieldArray plugins;
} ListHead;

static const Field plugin_fields[] = {
	{.name = "type",
		.kind = FIELD_STRING,
		.offset = offsetof(PluginHead, type),
		.required = true,
		.max_length = CNI_NAME_MAX},
	{.name = "capabilities", .kind = FIELD_VALUE, .offset = offsetof(PluginHead, capabilities)},
	FIELDS_END,
};

static const Field list_fields[] = {
	{.name = "cniVersion",
		.kind = FIELD_STRING,
		.offset = offsetof(ListHead, version),
		.required = true,
		.max_length = CNI_NAME_MAX},
	{.name = "name",
		.kind = FIELD_STRING,
		.offset = offsetof(ListHead, name),
		.required = true,
		.max_length = CNI_NAME_MAX},
	{.name = "disableCheck", .kind = FIELD_VALUE, .offset = offsetof(ListHead, disables_check)},
	{.name = "plugins",
		.kind = FIELD_ARRAY,
		.offset = offsetof(ListHead, plugins),
		.sub = plugin_fields,
		.sub_size = sizeof(PluginHead),
		.required = true,
		.max_count = CNI_PLUGINS_MAX},
	FIELDS_END,
};

static void list_head_clear(ListHead *head)
{
	fields_clear(list_fields, head);
}
DEFINE_AUTOCLEAR(ListHead, list_head_clear)

/* What the specification asks of a network's name; the names of containers are of the same kind. */
static bool is_name(const char *text)
{
	if (!isalnum((unsigned char)*text))
		return false;
	for (const char *at = text; *at; at++)
		if (!isalnum((unsigned char)*at) && !strchr("_.-", *at))
			return false;
	return true;
}

static fallible check_capabilities(const Value *capabilities, size_t index)
{
	const char *name;
	Value *value;
	size_t cursor = 0;

	if (value_is_null(capabilities))
		return NULL;
	if (!value_is_object(capabilities))
		return error_new(ERROR_INVALID, "field \"plugins[%zu].capabilities\" must be an object", index);
	while (value_each(capabilities, &cursor, &name, &value))
		if (!value_is_bool(value))
			return error_new(ERROR_INVALID, "field \"plugins[%zu].capabilities.%.100s\" must be a boolean",
				index, name);
	return NULL;
}

static fallible check_plugins(const FieldArray *plugins)
{
	const PluginHead *items = plugins->items;

	if (!plugins->count)
		return error_new(ERROR_INVALID, "field \"plugins\" is empty");
	for (size_t i = 0; i < plugins->count; i++) {
		if (!is_name(items[i].type))
			return error_new(ERROR_INVALID,
				"field \"plugins[%zu].type\": \"%s\" is not the name of a plugin", i, items[i].type);
		TRY(check_capabilities(items[i].capabilities, i));
	}
	return NULL;
}

/* A boolean, or, as older writers have it, "true" and "false". */
static fallible read_disables_check(bool *ret, const Value *value)
{
	const char *text = value_string(value);

	*ret = value_bool(value, text && string_equal(text, "true"));
	if (value_is_null(value) || value_is_bool(value) ||
		(text && (string_equal(text, "true") || string_equal(text, "false"))))
		return NULL;
	return error_new(ERROR_INVALID, "field \"disableCheck\" must be a boolean");
}

static fallible check_head(const ListHead *head)
{
	if (!is_name(head->name))
		return error_new(ERROR_INVALID,
			"field \"name\": \"%s\" is not a name: letters and digits, and behind the first _ . -",
			head->name);
	TRY_WRAP(cni_version_check(head->version), "field \"cniVersion\"");
	return check_plugins(&head->plugins);
}

/* Version and name are the list's, as where a list is in the file; plugins do not see it. */
static Value *list_of_plugin(const Value *plugin)
{
	static const char *const shared[] = {"cniVersion", "name"};
	Value *list = value_object(), *plugins = value_array();

	for (size_t i = 0; i < COUNT(shared); i++)
		if (value_get(plugin, shared[i]))
			value_set(list, shared[i], value_ref(value_get(plugin, shared[i])));
	value_append(plugins, value_ref((Value *)plugin));
	value_set(list, "plugins", plugins);
	return list;
}

fallible cni_network_new(CniNetwork **ret, const char *file, const Value *document)
{
	autoptr(CniNetwork) network = mem_new(CniNetwork);
	autoclear(ListHead) head = {0};

	if (!value_is_object(document))
		return error_new(ERROR_INVALID, "configuration must be an object");
	network->list = value_get(document, "plugins") ? value_ref((Value *)document) : list_of_plugin(document);
	TRY(fields_read(list_fields, &head, network->list, 0));
	TRY(check_head(&head));
	TRY(read_disables_check(&network->disables_check, head.disables_check));
	network->plugin_count = head.plugins.count;
	network->file = mem_strdup(file);
	network->name = take(head.name);
	network->version = take(head.version);
	*ret = take(network);
	return NULL;
}

fallible cni_network_parse(CniNetwork **ret, const char *file, const char *text, size_t length)
{
	autoptr(Value) document = NULL;

	TRY(value_parse(&document, text, length));
	return cni_network_new(ret, file, document);
}

CniNetwork *cni_network_free(CniNetwork *network)
{
	if (!network)
		return NULL;
	free(network->name);
	free(network->version);
	free(network->file);
	value_free(network->list);
	free(network);
	return NULL;
}

/* ---- what it says ---- */

const Value *cni_network_plugin(const CniNetwork *network, size_t index)
{
	return value_at(value_get(network->list, "plugins"), index);
}

const char *cni_network_type(const CniNetwork *network, size_t index)
{
	return value_string(value_get(cni_network_plugin(network, index), "type"));
}

bool cni_plugin_can(const Value *plugin, const char *capability)
{
	return value_bool(value_get(value_get(plugin, "capabilities"), capability), false);
}

bool cni_network_can(const CniNetwork *network, const char *capability)
{
	for (size_t i = 0; i < network->plugin_count; i++)
		if (cni_plugin_can(cni_network_plugin(network, i), capability))
			return true;
	return false;
}

bool cni_network_has_check(const CniNetwork *network)
{
	return cni_version_has_check(network->version);
}

/* ---- a directory of them ---- */

static fallible read_network(CniNetwork **ret, const char *path)
{
	autofree char *text = NULL;
	size_t length;

	TRY(file_read(&text, &length, AT_FDCWD, path, CNI_FILE_MAX));
	return cni_network_parse(ret, path, text, length);
}

static fallible check_new(const CniNetworks *networks, const CniNetwork *network)
{
	const CniNetwork *other = cni_networks_find(networks, network->name);

	if (other)
		return error_new(ERROR_CONFLICT, "network \"%s\" is in \"%s\" already", network->name, other->file);
	if (networks->count >= CNI_NETWORKS_MAX)
		return error_new(ERROR_TOO_LARGE, "there are more than %d networks", CNI_NETWORKS_MAX);
	return NULL;
}

static fallible add_network(CniNetworks *networks, const char *path)
{
	autoptr(CniNetwork) network = NULL;

	TRY(read_network(&network, path));
	TRY(check_new(networks, network));
	networks->items = mem_array(networks->items, networks->count + 1, sizeof(CniNetwork *));
	networks->items[networks->count++] = take(network);
	return NULL;
}

static void add_file(CniNetworks *networks, const char *path)
{
	Error *error = add_network(networks, path);

	if (!error)
		return;
	if (networks->problems.count < CNI_NETWORKS_MAX)
		strings_printf(&networks->problems, "CNI configuration \"%s\": %s", path, error_message(error));
	error_free(error); /* its message is kept */
}

static Error *note_file(void *arg, int dir, const char *name, unsigned char type)
{
	StringList *files = arg;

	(void)dir, (void)type;
	if (*name != '.' && files->count < 2 * CNI_NETWORKS_MAX &&
		(string_ends(name, ".conflist") || string_ends(name, ".conf") || string_ends(name, ".json")))
		strings_add(files, name);
	return NULL;
}

fallible cni_networks_read(CniNetworks *ret, const char *directory)
{
	autoclear(StringList) files = {0};

	if (!file_exists(AT_FDCWD, directory))
		return NULL;
	TRY_WRAP(dir_each(AT_FDCWD, directory, note_file, &files), "CNI configurations");
	strings_sort(&files);
	for (size_t i = 0; i < files.count; i++) {
		autofree char *path = path_join(directory, files.items[i]);
		add_file(ret, path);
	}
	return NULL;
}

const CniNetwork *cni_networks_find(const CniNetworks *networks, const char *name)
{
	for (size_t i = 0; i < networks->count; i++)
		if (string_equal(networks->items[i]->name, name))
			return networks->items[i];
	return NULL;
}

void cni_networks_clear(CniNetworks *networks)
{
	for (size_t i = 0; i < networks->count; i++)
		cni_network_free(networks->items[i]);
	free(networks->items);
	strings_clear(&networks->problems);
	*networks = (CniNetworks){0};
}

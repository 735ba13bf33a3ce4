// SPDX-License-Identifier: Apache-2.0
#include "runtime/cdi_spec.h"

#include <string.h>

#include "base/memory.h"
#include "base/words.h"

const char *const cdi_hook_names[CDI_HOOK_NAMES] = {
	"prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop"};

enum { ITEMS_MAX = 1024, GIDS_MAX = 64 };

#define NUMBER_MAX UINT32_MAX
#define AT(member) .offset = offsetof(OWNER, member)

#define OWNER CdiNode
static const Field node_fields[] = {
	{"path", FIELD_STRING, AT(path), .required = true},
	{"hostPath", FIELD_STRING, AT(host_path)},
	{"type", FIELD_STRING, AT(type)},
	{"major", FIELD_INT, AT(major), .max = NUMBER_MAX},
	{"minor", FIELD_INT, AT(minor), .max = NUMBER_MAX},
	{"fileMode", FIELD_VALUE, AT(mode)},
	{"permissions", FIELD_STRING, AT(permissions)},
	{"uid", FIELD_VALUE, AT(uid)},
	{"gid", FIELD_VALUE, AT(gid)},
	FIELDS_END,
};
#undef OWNER

#define OWNER CdiMount
static const Field mount_fields[] = {
	{"hostPath", FIELD_STRING, AT(host_path), .required = true},
	{"containerPath", FIELD_STRING, AT(container_path), .required = true},
	{"type", FIELD_STRING, AT(type)},
	{"options", FIELD_STRINGS, AT(options), .max_count = ITEMS_MAX},
	FIELDS_END,
};
#undef OWNER

#define OWNER CdiHook
static const Field hook_fields[] = {
	{"hookName", FIELD_STRING, AT(name), .required = true},
	{"path", FIELD_STRING, AT(path), .required = true},
	{"args", FIELD_STRINGS, AT(args), .max_count = ITEMS_MAX},
	{"env", FIELD_STRINGS, AT(env), .max_count = ITEMS_MAX},
	{"timeout", FIELD_INT, AT(timeout_s), .max = INT32_MAX},
	FIELDS_END,
};
#undef OWNER

#define ARRAY(key, member, table, type)                                                                                \
	{                                                                                                              \
		key, FIELD_ARRAY, AT(member), .sub = table, .sub_size = sizeof(type), .max_count = ITEMS_MAX           \
	}

#define OWNER CdiEdits
static const Field edits_fields[] = {
	{"env", FIELD_STRINGS, AT(env), .max_count = ITEMS_MAX},
	ARRAY("deviceNodes", nodes, node_fields, CdiNode),
	ARRAY("mounts", mounts, mount_fields, CdiMount),
	ARRAY("hooks", hooks, hook_fields, CdiHook),
	{"additionalGids", FIELD_VALUE, AT(gids)},
	{"intelRdt", FIELD_VALUE, AT(rdt)},
	FIELDS_END,
};
#undef OWNER

#define OWNER CdiDevice
static const Field device_fields[] = {
	{"name", FIELD_STRING, AT(name), .required = true},
	{"annotations", FIELD_MAP, AT(annotations)},
	{"containerEdits", FIELD_OBJECT, AT(edits), .sub = edits_fields, .sub_size = sizeof(CdiEdits)},
	FIELDS_END,
};
#undef OWNER

#define OWNER CdiSpec
static const Field spec_fields[] = {
	{"cdiVersion", FIELD_STRING, AT(version), .required = true},
	{"kind", FIELD_STRING, AT(kind), .required = true},
	{"annotations", FIELD_MAP, AT(annotations)},
	{"devices", FIELD_ARRAY, AT(devices), .sub = device_fields, .sub_size = sizeof(CdiDevice), .required = true,
		.max_count = CDI_DEVICES_MAX},
	{"containerEdits", FIELD_OBJECT, AT(edits), .sub = edits_fields, .sub_size = sizeof(CdiEdits)},
	FIELDS_END,
};
#undef OWNER

void cdi_edits_clear(CdiEdits *edits)
{
	fields_clear(edits_fields, edits);
}

void cdi_spec_clear(CdiSpec *spec)
{
	fields_clear(spec_fields, spec);
}

/* ---- what the tables cannot check ---- */

static bool is_id(const Value *value)
{
	int64_t number = value_int(value, -1);

	return value_is_null(value) || (value_is_number(value) && number >= 0 && number <= NUMBER_MAX);
}

static fallible check_path(const char *field, const char *path)
{
	if (path && path[0] != '/')
		return error_new(ERROR_INVALID, "field \"%s\": \"%.200s\" is not an absolute path", field, path);
	return NULL;
}

static fallible check_node(const CdiNode *node)
{
	const char *permissions = node->permissions ? node->permissions : "rwm";

	TRY(check_path("path", node->path));
	TRY(check_path("hostPath", node->host_path));
	if (!string_empty(node->type) && strcmp(node->type, "c") && strcmp(node->type, "u") && strcmp(node->type, "b"))
		return error_new(ERROR_INVALID, "field \"type\": \"%.16s\" is none of c, u and b", node->type);
	if (strlen(permissions) > 3 || permissions[strspn(permissions, "rwm")])
		return error_new(
			ERROR_INVALID, "field \"permissions\": \"%.16s\" is not made of r, w and m", permissions);
	if (!is_id(node->uid) || !is_id(node->gid) || !is_id(node->mode))
		return error_new(ERROR_INVALID, "fields \"fileMode\", \"uid\" and \"gid\" must be numbers");
	return NULL;
}

static fallible check_hook(const CdiHook *hook)
{
	TRY(check_path("path", hook->path));
	if (names_find(cdi_hook_names, CDI_HOOK_NAMES, hook->name) < 0)
		return error_new(ERROR_INVALID, "field \"hookName\": there are no \"%.64s\" hooks", hook->name);
	return NULL;
}

static fallible check_env(const StringList *env)
{
	for (size_t i = 0; i < env->count; i++)
		if (!strchr(env->items[i], '=') || env->items[i][0] == '=')
			return error_new(ERROR_INVALID, "field \"env\": \"%.200s\" is not of the form NAME=VALUE",
				env->items[i]);
	return NULL;
}

static fallible check_gids(const Value *gids)
{
	if (value_is_null(gids))
		return NULL;
	if (!value_is_array(gids) || value_count(gids) > GIDS_MAX)
		return error_new(
			ERROR_INVALID, "field \"additionalGids\" must be an array of at most %d numbers", GIDS_MAX);
	for (size_t i = 0; i < value_count(gids); i++)
		if (!value_is_number(value_at(gids, i)) || !is_id(value_at(gids, i)))
			return error_new(
				ERROR_INVALID, "field \"additionalGids[%zu]\" is not the number of a group", i);
	return NULL;
}

static fallible check_edits(const CdiEdits *edits)
{
	const CdiNode *nodes = edits->nodes.items;
	const CdiMount *mounts = edits->mounts.items;
	const CdiHook *hooks = edits->hooks.items;

	TRY(check_env(&edits->env));
	for (size_t i = 0; i < edits->nodes.count; i++)
		TRY_WRAP(check_node(&nodes[i]), "deviceNodes[%zu]", i);
	for (size_t i = 0; i < edits->mounts.count; i++)
		TRY_WRAP(check_path("containerPath", mounts[i].container_path), "mounts[%zu]", i);
	for (size_t i = 0; i < edits->hooks.count; i++)
		TRY_WRAP(check_hook(&hooks[i]), "hooks[%zu]", i);
	TRY(check_gids(edits->gids));
	if (!value_is_null(edits->rdt) && value_count(edits->rdt))
		return error_new(ERROR_UNSUPPORTED, "field \"intelRdt\": resource control is not available");
	return NULL;
}

static fallible check_version(const char *version)
{
	static const char *const known[] = {"0.3.0", "0.4.0", "0.5.0", "0.6.0", "0.7.0", "0.8.0", "1.0.0"};

	if (names_find(known, COUNT(known), version) >= 0)
		return NULL;
	return error_new(ERROR_UNSUPPORTED,
		"field \"cdiVersion\": \"%.32s\" is not known: 0.3.0 to 0.8.0 and 1.0.0 are", version);
}

static fallible check_device(const CdiSpec *spec, const CdiDevice *device)
{
	autofree char *name = string_printf("%s=%s", spec->kind, device->name);

	if (!device_word_is_cdi(name))
		return error_new(ERROR_INVALID, "\"%.300s\" is no name of a device (VENDOR/CLASS=NAME)", name);
	TRY_WRAP(check_edits(&device->edits), "device \"%s\"", device->name);
	return NULL;
}

static fallible check_spec(const CdiSpec *spec)
{
	const CdiDevice *devices = spec->devices.items;

	TRY(check_version(spec->version));
	if (spec->devices.count == 0)
		return error_new(ERROR_INVALID, "there are no devices");
	for (size_t i = 0; i < spec->devices.count; i++) {
		TRY(check_device(spec, &devices[i]));
		for (size_t n = 0; n < i; n++)
			if (string_equal(devices[i].name, devices[n].name))
				return error_new(ERROR_INVALID, "device \"%s\" is there twice", devices[i].name);
	}
	return check_edits(&spec->edits);
}

fallible cdi_spec_parse(CdiSpec *ret, const char *text, size_t length)
{
	autoclear(CdiSpec) spec = {0};
	autoptr(Value) value = NULL;

	if (length > CDI_SPEC_MAX)
		return error_new(ERROR_TOO_LARGE, "it has more than %d bytes", CDI_SPEC_MAX);
	TRY(value_parse_yaml(&value, text, length));
	TRY(fields_read(spec_fields, &spec, value, FIELDS_STRICT));
	TRY(check_spec(&spec));
	*ret = spec;
	spec = (CdiSpec){0};
	return NULL;
}

/* ---- adding ---- */

static void add_items(FieldArray *to, const FieldArray *from, const Field *table, size_t size)
{
	char *items;

	if (from->count == 0)
		return;
	items = mem_array(to->items, to->count + from->count, size);
	memset(items + to->count * size, 0, from->count * size);
	for (size_t i = 0; i < from->count; i++)
		fields_copy(table, items + (to->count + i) * size, (const char *)from->items + i * size);
	to->items = items;
	to->count += from->count;
}

void cdi_edits_add(CdiEdits *to, const CdiEdits *edits)
{
	for (size_t i = 0; i < edits->env.count; i++)
		strings_env_set(&to->env, edits->env.items[i]);
	add_items(&to->nodes, &edits->nodes, node_fields, sizeof(CdiNode));
	add_items(&to->mounts, &edits->mounts, mount_fields, sizeof(CdiMount));
	add_items(&to->hooks, &edits->hooks, hook_fields, sizeof(CdiHook));
	if (!to->gids)
		to->gids = value_array();
	for (size_t i = 0; i < value_count(edits->gids); i++)
		value_append(to->gids, value_copy(value_at(edits->gids, i)));
}

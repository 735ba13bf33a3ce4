// SPDX-License-Identifier: Apache-2.0
#include "api/inspected.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/memory.h"
#include "base/words.h"
#include "device/carry.h"
#include "device/declaration_check.h"
#include "docker/spec.h"

enum { REFUSALS_MAX = 64, SHORT_ID = 12 };

typedef struct Inspected {
	const Value *container;
	Declaration *declaration;
	StringList *notes;
	InspectedImage *image;
	void *arg;
} Inspected;

/* ---- the body of a create ---- */

static Value *member_copy(const Value *object, const char *key)
{
	const Value *value = value_get(object, key);

	return value_is_object(value) ? value_copy(value) : value_object();
}

/* The container's id is among the names that its engine gave it, and addresses are those it got. */
static Value *endpoint_of(const Value *network, const char *id)
{
	static const Carried asked[] = {{"IPAMConfig", "IPAMConfig"}, {"Links", "Links"}, {"DriverOpts", "DriverOpts"},
		{"GwPriority", "GwPriority"}, {NULL, NULL}};
	const Value *aliases = value_get(network, "Aliases");
	Value *endpoint = value_object(), *kept = value_array();

	carry(endpoint, network, asked);
	for (size_t i = 0; i < value_count(aliases); i++) {
		const char *alias = value_string(value_at(aliases, i));
		if (alias && !(id && strncmp(alias, id, SHORT_ID) == 0 && strlen(alias) == SHORT_ID))
			value_append(kept, value_new_string(alias));
	}
	value_set(endpoint, "Aliases", kept);
	return endpoint;
}

static bool is_mode_alone(const char *mode)
{
	return string_empty(mode) || string_equal(mode, "default") || string_equal(mode, "bridge") ||
	       string_equal(mode, "host") || string_equal(mode, "none") || string_starts(mode, "container:");
}

static Value *endpoints_of(const Value *container)
{
	const Value *networks = value_path(container, "NetworkSettings.Networks");
	const char *id = value_string(value_get(container, "Id")), *name;
	Value *endpoints = value_object(), *network;
	size_t cursor = 0;

	while (value_each(networks, &cursor, &name, &network))
		if (!is_mode_alone(name))
			value_set(endpoints, name, endpoint_of(network, id));
	return endpoints;
}

static bool is_twice(int64_t a, int64_t b)
{
	return a % 2 == 0 && a / 2 == b;
}

/* What an engine shows where nobody asked for anything. */
static void drop_defaults(Value *host)
{
	static const struct {
		const char *field, *text;
	} defaults[] = {{"NetworkMode", "default"}, {"NetworkMode", "bridge"}, {"Runtime", "runc"}, {"Runtime", "crun"},
		{"IpcMode", "private"}, {"CgroupnsMode", "private"}, {"Isolation", "default"},
		{"VolumeDriver", "local"}};
	static const char *const theirs[] = {"MaskedPaths", "ReadonlyPaths", "ContainerIDFile", "ConsoleSize"};

	for (size_t i = 0; i < COUNT(defaults); i++)
		if (string_equal(value_string(value_get(host, defaults[i].field)), defaults[i].text))
			value_remove(host, defaults[i].field);
	for (size_t i = 0; i < COUNT(theirs); i++)
		if (!value_is_array(value_get(host, theirs[i])) || value_count(value_get(host, theirs[i])))
			value_remove(host, theirs[i]);
	if (string_equal(value_string(value_path(host, "LogConfig.Type")), "json-file") &&
		!value_count(value_path(host, "LogConfig.Config")))
		value_remove(host, "LogConfig");
	if (value_int(value_get(host, "ShmSize"), 0) == INT64_C(64) << 20)
		value_remove(host, "ShmSize");
	if (is_twice(value_int(value_get(host, "MemorySwap"), 0), value_int(value_get(host, "Memory"), 0)))
		value_remove(host, "MemorySwap");
}

/* A host name that is the beginning of the id is none that anybody gave. */
static void drop_hostname(Value *body, const Value *container)
{
	const char *name = value_string(value_get(body, "Hostname")), *id = value_string(value_get(container, "Id"));

	if (name && id && strlen(name) == SHORT_ID && strncmp(name, id, SHORT_ID) == 0)
		value_remove(body, "Hostname");
}

static Value *body_of(const Value *container)
{
	Value *body = member_copy(container, "Config"), *host = member_copy(container, "HostConfig");
	Value *networking = value_object();

	drop_hostname(body, container);
	drop_defaults(host);
	value_set(body, "HostConfig", host);
	value_set(networking, "EndpointsConfig", endpoints_of(container));
	value_set(body, "NetworkingConfig", networking);
	return body;
}

/* ---- GPUs, and devices of CDI ---- */

static DeclaredDevice *add_device(Declaration *declaration)
{
	FieldArray *devices = &declaration->devices;
	DeclaredDevice *device;

	devices->items = mem_array(devices->items, devices->count + 1, sizeof(DeclaredDevice));
	device = (DeclaredDevice *)devices->items + devices->count++;
	*device = (DeclaredDevice){.path = NULL};
	return device;
}

static void take_cdi(Declaration *declaration, const Value *names)
{
	for (size_t i = 0; i < value_count(names); i++) {
		const char *name = value_string(value_at(names, i));
		if (name && device_word_is_cdi(name))
			add_device(declaration)->path = mem_strdup(name);
	}
}

static void take_gpus(Declaration *declaration, const Value *request)
{
	const Value *ids = value_get(request, "DeviceIDs");
	DeclaredGpus *gpus = mem_new(DeclaredGpus);

	for (size_t i = 0; i < value_count(ids); i++)
		if (value_is_string(value_at(ids, i)))
			strings_add(&gpus->ids, value_string(value_at(ids, i)));
	gpus->count = gpus->ids.count ? 0 : value_int(value_get(request, "Count"), -1);
	declaration->gpus = gpus;
}

static void take_requests(const Inspected *inspected, Value *body)
{
	Value *host = value_get(body, "HostConfig");
	const Value *requests = value_get(host, "DeviceRequests");

	for (size_t i = 0; i < value_count(requests); i++) {
		const Value *request = value_at(requests, i);
		if (string_equal(value_string(value_get(request, "Driver")), "cdi"))
			take_cdi(inspected->declaration, value_get(request, "DeviceIDs"));
		else if (inspected->declaration->gpus)
			strings_printf(inspected->notes, "\"DeviceRequests\": only the first for GPUs is carried over");
		else
			take_gpus(inspected->declaration, request);
	}
	value_remove(host, "DeviceRequests");
}

/* ---- reading it ---- */

static void remove_path(Value *body, const char *dotted)
{
	const char *dot = strrchr(dotted, '.');
	autofree char *above = mem_strndup(dotted, dot ? (size_t)(dot - dotted) : 0);

	value_remove(dot ? value_path(body, above) : body, dot ? dot + 1 : dotted);
}

/* What is not there is left out, and noted: `field "HostConfig.StorageOpt": ...`. */
static fallible leave_out(const Inspected *inspected, Value *body, Error *take_error)
{
	const char *message = error_message(take_error), *quote = strchr(message, '"');

	if (error_kind(take_error) != ERROR_UNSUPPORTED || !string_starts(message, "field \"") || !quote)
		return take_error;
	autofree char *path = mem_strndup(quote + 1, strcspn(quote + 1, "\""));
	if (!value_path(body, path))
		return take_error;
	strings_printf(inspected->notes, "%s: it is left out", message);
	remove_path(body, path);
	error_free(take_error);
	return NULL;
}

static fallible read_body(const Inspected *inspected, Value *body)
{
	ContainerSpec *spec = &inspected->declaration->spec;

	for (int i = 0; i < REFUSALS_MAX; i++) {
		Error *error = spec_read(spec, body);
		if (!error)
			return container_spec_parse_binds(spec);
		TRY(leave_out(inspected, body, error));
	}
	return error_new(ERROR_INVALID, "too much of it is not possible here");
}

/* ---- what is the image's ---- */

static bool lists_equal(const StringList *a, const StringList *b)
{
	for (size_t i = 0; i < a->count && i < b->count; i++)
		if (strcmp(a->items[i], b->items[i]) != 0)
			return false;
	return a->count == b->count;
}

static void drop_items(StringList *list, const StringList *image)
{
	for (size_t i = list->count; i > 0; i--)
		if (strings_has(image, list->items[i - 1]))
			strings_remove(list, i - 1);
}

static void drop_text(char **text, const char *image)
{
	if (string_equal(*text, image))
		string_replace(text, NULL);
}

static void drop_labels(StringMap *labels, const StringMap *image)
{
	for (size_t i = labels->count; i > 0; i--) {
		autofree char *key = mem_strdup(labels->items[i - 1].key);
		if (string_equal(map_get(image, key), labels->items[i - 1].value) || string_starts(key, DECLARED_LABEL))
			map_remove(labels, key);
	}
}

/* An entrypoint of its own makes the command its own, too. */
static void drop_command(ContainerSpec *spec, const ImageConfig *image)
{
	if (!lists_equal(&spec->entrypoint, &image->config.entrypoint))
		return;
	strings_clear(&spec->entrypoint);
	spec->entrypoint_reset = false;
	if (lists_equal(&spec->command, &image->config.command))
		strings_clear(&spec->command);
}

static void drop_health(HealthCheck *health, const HealthCheck *image)
{
	if (image && fields_equal(health_check_fields, health, image))
		fields_clear(health_check_fields, health);
}

static void drop_image(ContainerSpec *spec, const ImageConfig *image)
{
	drop_command(spec, image);
	drop_items(&spec->env, &image->config.env);
	drop_items(&spec->exposed_ports, &image->config.exposed_ports);
	drop_items(&spec->volumes, &image->config.volumes);
	drop_labels(&spec->labels, &image->config.labels);
	drop_text(&spec->workdir, image->config.workdir);
	drop_text(&spec->user, image->config.user);
	drop_text(&spec->stop_signal, image->config.stop_signal);
	drop_health(&spec->health, image->config.health);
}

static void find_image(const Inspected *inspected)
{
	ContainerSpec *spec = &inspected->declaration->spec;
	autoclear(ImageConfig) config = {0};
	Error *error = inspected->image(inspected->arg, &config, spec->image);

	if (error)
		strings_printf(inspected->notes,
			"image \"%.300s\" is not here: what is the image's own is in the declaration, too",
			spec->image);
	error_free(error); /* why does not matter: the declaration is longer */
	drop_image(spec, &config);
}

/* ---- into the declaration ---- */

static void put_devices(Declaration *declaration)
{
	const DeviceSpec *from = declaration->spec.devices.items;

	for (size_t i = 0; i < declaration->spec.devices.count; i++)
		*add_device(declaration) = (DeclaredDevice){mem_strdup(from[i].host_path),
			mem_strdup(from[i].container_path), mem_strdup(from[i].permissions), false};
}

/* Data of volumes without a name stays with the old container. */
static void put_volumes(const Inspected *inspected)
{
	ContainerSpec *spec = &inspected->declaration->spec;

	for (size_t i = 0; i < spec->volumes.count; i++) {
		if (container_spec_mount_at(spec, spec->volumes.items[i]))
			continue;
		MountSpec *mount = container_spec_add_mount(spec);
		mount->kind = MOUNT_VOLUME;
		mount->target = mem_strdup(spec->volumes.items[i]);
		strings_printf(inspected->notes,
			"volume at \"%.300s\" has no name: the new container gets an empty one", mount->target);
	}
	strings_clear(&spec->volumes);
	strings_clear(&spec->binds);
}

static void put_rest(const Inspected *inspected)
{
	Declaration *declaration = inspected->declaration;
	ContainerSpec *spec = &declaration->spec;
	const char *name = value_string(value_get(inspected->container, "Name"));

	if (spec->stop_timeout_s >= 0 && spec->stop_timeout_s < INT32_MAX)
		declaration->stop_grace_ns = spec->stop_timeout_s * NANOS_PER_SECOND;
	if (spec->auto_remove)
		strings_printf(inspected->notes, "\"AutoRemove\" is left out: what is declared is to stay");
	spec->auto_remove = false;
	string_replace(&declaration->name, name ? name + (*name == '/') : NULL);
	put_devices(declaration);
	put_volumes(inspected);
}

static fallible convert(const Inspected *inspected)
{
	autoptr(Value) body = body_of(inspected->container);
	autoptr(Value) canonical = NULL;

	take_requests(inspected, body);
	TRY(read_body(inspected, body));
	find_image(inspected);
	put_rest(inspected);
	TRY(declaration_settle(inspected->declaration, NULL));
	canonical = declaration_value(inspected->declaration); /* what no field reaches has no effect, and goes */
	return declaration_read(inspected->declaration, canonical, NULL);
}

static bool is_one(const Value *document)
{
	return value_is_object(value_get(document, "Config")) && value_is_object(value_get(document, "HostConfig"));
}

bool inspected_is(const Value *document)
{
	return is_one(document) || (value_is_array(document) && is_one(value_at(document, 0)));
}

static void add_one(ConvertedList *list, const Value *container, InspectedImage *image, void *arg)
{
	const char *name = value_string(value_get(container, "Name"));
	Converted *converted = converted_add(list, name ? name + (*name == '/') : "");
	const Inspected inspected = {container, &converted->declaration, &converted->notes, image, arg};
	Error *error = is_one(container)
			       ? convert(&inspected)
			       : error_new(ERROR_INVALID, "it is no container: Config or HostConfig is missing");

	if (error)
		converted_fail(converted, error);
}

fallible inspected_convert(ConvertedList *ret, const Value *document, InspectedImage *image, void *arg)
{
	if (!value_is_array(document)) {
		add_one(ret, document, image, arg);
		return NULL;
	}
	if (value_count(document) > CONVERTED_MAX)
		return error_new(ERROR_INVALID, "there are more than %d containers", CONVERTED_MAX);
	for (size_t i = 0; i < value_count(document); i++)
		add_one(ret, value_at(document, i), image, arg);
	return NULL;
}

// SPDX-License-Identifier: Apache-2.0
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "docker/spec.h"
#include "docker/spec_fields.h"
#include "docker/spec_network.h"
#include "oci/image_config.h"

/* ---- what has another shape than in ContainerSpec ---- */

typedef struct DockerMount {
	int type;
	char *source, *target;
	bool read_only;
	char *propagation;
	bool make_source, is_flat, read_only_flat, read_only_forced;
	int64_t tmpfs_size, tmpfs_mode;
	bool no_copy;
	char *subpath, *driver;
	StringMap labels, driver_options;
} DockerMount;

typedef struct CreateBody {
	ContainerSpec spec;
	StringList entrypoint, command;
	HealthCheck health;
	char *stop_signal, *health_on_failure;
	int64_t stop_timeout_s;
	StringList exposed_ports, links, volumes, on_build, shell;
	bool network_disabled;
	char *network_mode, *log_type, *restart_name;
	int64_t restart_max;
	StringMap log_options, tmpfs, annotations;
	StringList masked_paths, read_only_paths;
	FieldArray mounts; /* DockerMount */
	bool init;
	Value *port_bindings, *endpoints;
} CreateBody;

/* clang-format off */
#define FIELD(key, type, member) { .name = (key), .kind = (type), .offset = offsetof(CreateBody, member) }
#define PART(key, type, of, member) { .name = (key), .kind = (type), .offset = offsetof(of, member) }
#define NESTED(key, table) { .name = (key), .kind = FIELD_OBJECT, .sub = (table) }

static const char *const mount_types[] = { "bind", "volume", "tmpfs", "npipe", "cluster" };
enum { TYPE_BIND, TYPE_VOLUME, TYPE_TMPFS };

static const Field bind_fields[] = {
	PART("Propagation", FIELD_STRING, DockerMount, propagation),
	PART("CreateMountpoint", FIELD_BOOL, DockerMount, make_source),
	PART("NonRecursive", FIELD_BOOL, DockerMount, is_flat),
	PART("ReadOnlyNonRecursive", FIELD_BOOL, DockerMount, read_only_flat),
	PART("ReadOnlyForceRecursive", FIELD_BOOL, DockerMount, read_only_forced),
	FIELDS_END,
};
static const Field tmpfs_fields[] = {
	{ .name = "SizeBytes", .kind = FIELD_INT, .offset = offsetof(DockerMount, tmpfs_size), .max = INT64_MAX },
	{ .name = "Mode", .kind = FIELD_INT, .offset = offsetof(DockerMount, tmpfs_mode), .max = 07777 },
	FIELDS_END,
};
static const Field driver_fields[] = {
	PART("Name", FIELD_STRING, DockerMount, driver),
	PART("Options", FIELD_MAP, DockerMount, driver_options),
	FIELDS_END,
};
static const Field volume_fields[] = {
	PART("NoCopy", FIELD_BOOL, DockerMount, no_copy),
	PART("Labels", FIELD_MAP, DockerMount, labels),
	PART("Subpath", FIELD_STRING, DockerMount, subpath),
	NESTED("DriverConfig", driver_fields),
	FIELDS_END,
};
static const Field mount_fields[] = {
	{ .name = "Type", .kind = FIELD_ENUM, .offset = offsetof(DockerMount, type), .names = mount_types, .name_count = 5, .required = true },
	PART("Source", FIELD_STRING, DockerMount, source),
	{ .name = "Target", .kind = FIELD_STRING, .offset = offsetof(DockerMount, target), .required = true },
	PART("ReadOnly", FIELD_BOOL, DockerMount, read_only),
	NESTED("BindOptions", bind_fields),
	NESTED("TmpfsOptions", tmpfs_fields),
	NESTED("VolumeOptions", volume_fields),
	FIELDS_END,
};
static const Field log_fields[] = {
	FIELD("Type", FIELD_STRING, log_type),
	FIELD("Config", FIELD_MAP, log_options),
	FIELDS_END,
};
static const Field restart_fields[] = {
	FIELD("Name", FIELD_STRING, restart_name),
	{ .name = "MaximumRetryCount", .kind = FIELD_INT, .offset = offsetof(CreateBody, restart_max), .max = INT32_MAX },
	FIELDS_END,
};
static const Field host_fields[] = {
	FIELD("NetworkMode", FIELD_STRING, network_mode),
	FIELD("PortBindings", FIELD_VALUE, port_bindings),
	FIELD("Links", FIELD_STRINGS, links),
	NESTED("LogConfig", log_fields),
	NESTED("RestartPolicy", restart_fields),
	{ .name = "Mounts", .kind = FIELD_ARRAY, .offset = offsetof(CreateBody, mounts), .sub = mount_fields, .sub_size = sizeof(DockerMount) },
	FIELD("Tmpfs", FIELD_MAP, tmpfs),
	FIELD("Annotations", FIELD_MAP, annotations),
	FIELD("MaskedPaths", FIELD_STRINGS, masked_paths),
	FIELD("ReadonlyPaths", FIELD_STRINGS, read_only_paths),
	FIELD("Init", FIELD_BOOL, init),
	FIELDS_END,
};
static const Field networking_fields[] = {
	FIELD("EndpointsConfig", FIELD_VALUE, endpoints),
	FIELDS_END,
};
static const Field body_fields[] = {
	FIELD("Cmd", FIELD_WORDS, command),
	FIELD("Entrypoint", FIELD_WORDS, entrypoint),
	{ .name = "Healthcheck", .kind = FIELD_OBJECT, .offset = offsetof(CreateBody, health), .sub = health_check_fields },
	FIELD("HealthOnFailure", FIELD_STRING, health_on_failure), /* kedge's own: none, kill, restart, stop */
	FIELD("StopSignal", FIELD_STRING, stop_signal),
	{ .name = "StopTimeout", .kind = FIELD_INT, .offset = offsetof(CreateBody, stop_timeout_s), .min = -1, .max = INT32_MAX },
	FIELD("ExposedPorts", FIELD_SET, exposed_ports),
	FIELD("Volumes", FIELD_SET, volumes),
	FIELD("OnBuild", FIELD_STRINGS, on_build),
	FIELD("Shell", FIELD_STRINGS, shell),
	FIELD("NetworkDisabled", FIELD_BOOL, network_disabled),
	NESTED("HostConfig", host_fields),
	NESTED("NetworkingConfig", networking_fields),
	FIELDS_END,
};

/* What Docker knows and kedge does not do: refused when it asks for something. */
static const struct Refusal {
	const char *path, *reason;
	const char *harmless; /* a text that asks for nothing */
} refusals[] = {
	{ "HostConfig.StorageOpt", "storage options are not available", NULL },
	{ "HostConfig.UsernsMode", "user namespaces are not available yet", "host" },
	{ "HostConfig.Cgroup", "a control group of another container is not available", NULL },
	{ "HostConfig.Isolation", "only \"default\" is available", "default" },
	{ "HostConfig.CpuRealtimePeriod", "real-time scheduling is not available", NULL },
	{ "HostConfig.CpuRealtimeRuntime", "real-time scheduling is not available", NULL },
	{ "HostConfig.KernelMemory", "kernels do not limit it any more", NULL },
	{ "HostConfig.KernelMemoryTCP", "limiting it is not available", NULL },
	{ "HostConfig.CpuCount", "it is for Windows", NULL },
	{ "HostConfig.CpuPercent", "it is for Windows", NULL },
	{ "HostConfig.IOMaximumIOps", "it is for Windows", NULL },
	{ "HostConfig.IOMaximumBandwidth", "it is for Windows", NULL },
	{ "ArgsEscaped", "it is for Windows", NULL },
};
/* clang-format on */

/* ---- refusing ---- */

bool spec_asks_for_nothing(const Value *value, const char *harmless)
{
	const char *text = value_string(value);

	if (value_is_array(value) || value_is_object(value))
		return value_count(value) == 0;
	return value_is_null(value) || (text && (!*text || string_equal(text, harmless))) ||
	       (value_is_bool(value) && !value_bool(value, false)) ||
	       (value_is_number(value) && value_double(value, 1) == 0);
}

static fallible refuse_unavailable(const Value *body)
{
	for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++)
		if (!spec_asks_for_nothing(value_path(body, refusals[i].path), refusals[i].harmless))
			return error_new(ERROR_UNSUPPORTED, "field \"%s\": %s", refusals[i].path, refusals[i].reason);
	return NULL;
}

/* ---- converting ---- */

static fallible read_bind(MountSpec *ret, const DockerMount *mount)
{
	if (mount->read_only_forced && mount->read_only_flat)
		return error_new(ERROR_INVALID, "mount options conflict: BindOptions.ReadOnlyNonRecursive && "
						"BindOptions.ReadOnlyForceRecursive");
	if (mount->read_only_flat && !mount->read_only)
		return error_new(
			ERROR_INVALID, "field \"HostConfig.Mounts\": \"ReadOnlyNonRecursive\" needs \"ReadOnly\"");
	ret->make_source = mount->make_source;
	ret->is_flat = mount->is_flat;
	ret->read_only_below = mount->read_only_forced;
	ret->propagation = string_empty(mount->propagation) ? NULL : mem_strdup(mount->propagation);
	return NULL;
}

static fallible read_volume(MountSpec *ret, const DockerMount *mount)
{
	ret->subpath = string_empty(mount->subpath) ? NULL : mem_strdup(mount->subpath);
	ret->no_copy = mount->no_copy;
	ret->driver = string_empty(mount->driver) ? NULL : mem_strdup(mount->driver);
	map_copy(&ret->driver_options, &mount->driver_options);
	map_copy(&ret->volume_labels, &mount->labels);
	return NULL;
}

static bool has_volume_options(const DockerMount *mount)
{
	return mount->no_copy || !string_empty(mount->subpath) || !string_empty(mount->driver) ||
	       mount->driver_options.count || mount->labels.count;
}

static fallible read_mount(MountSpec *ret, const DockerMount *mount)
{
	if (mount->type > TYPE_TMPFS)
		return error_new(ERROR_UNSUPPORTED,
			"field \"HostConfig.Mounts\": mounts of type \"%s\" are not available",
			mount_types[mount->type]);
	ret->kind = mount->type == TYPE_BIND ? MOUNT_BIND : mount->type == TYPE_VOLUME ? MOUNT_VOLUME : MOUNT_TMPFS;
	ret->source = string_empty(mount->source) ? NULL : mem_strdup(mount->source);
	ret->target = mem_strdup(mount->target);
	ret->read_only = mount->read_only;
	ret->as_mount = true;
	if (mount->type != TYPE_VOLUME && has_volume_options(mount))
		return error_new(ERROR_INVALID,
			"invalid mount config for type \"%s\": field VolumeOptions must not be specified",
			mount_types[mount->type]);
	if (mount->type == TYPE_VOLUME)
		TRY(read_volume(ret, mount));
	if (mount->type != TYPE_TMPFS)
		return read_bind(ret, mount);
	autoclear(StringList) options = {0};
	if (mount->tmpfs_size)
		strings_printf(&options, "size=%lld", (long long)mount->tmpfs_size);
	if (mount->tmpfs_mode)
		strings_printf(&options, "mode=%llo", (long long)mount->tmpfs_mode);
	ret->options = options.count ? strings_join(&options, ",") : NULL;
	return NULL;
}

static fallible read_mounts(CreateBody *body)
{
	const DockerMount *asked = body->mounts.items;
	size_t count = body->mounts.count + body->tmpfs.count;
	MountSpec *mounts = count ? mem_alloc(count * sizeof(MountSpec)) : NULL;

	body->spec.mounts = (FieldArray){mounts, count};
	for (size_t i = 0; i < body->mounts.count; i++)
		TRY(read_mount(&mounts[i], &asked[i]));
	for (size_t i = 0; i < body->tmpfs.count; i++) {
		MountSpec *mount = &mounts[body->mounts.count + i];
		const StringPair *pair = &body->tmpfs.items[i];
		mount->kind = MOUNT_TMPFS;
		mount->target = mem_strdup(pair->key);
		mount->options = string_empty(pair->value) ? NULL : mem_strdup(pair->value);
	}
	return NULL;
}

fallible spec_read_restart(ContainerSpec *ret, const char *name, int64_t max)
{
	int policy = names_find(restart_policy_names, RESTART_POLICIES, string_empty(name) ? "no" : name);

	if (policy < 0)
		return error_new(ERROR_INVALID, "invalid restart policy '%.64s'", name);
	if (max && policy != RESTART_ON_FAILURE)
		return error_new(ERROR_INVALID, "maximum retry count cannot be used with restart policy '%s'",
			restart_policy_names[policy]);
	ret->restart_policy = policy;
	ret->restart_max = max;
	return NULL;
}

static fallible read_restart(CreateBody *body)
{
	TRY(spec_read_restart(&body->spec, body->restart_name, body->restart_max));
	if (body->spec.restart_policy != RESTART_NO && body->spec.auto_remove)
		return error_new(ERROR_INVALID, "can't create 'AutoRemove' container with restart policy");
	return NULL;
}

static void read_log(CreateBody *body)
{
	body->spec.log_driver = string_empty(body->log_type) ? NULL : take(body->log_type);
	map_copy(&body->spec.log_options, &body->log_options);
}

static EndpointSpec *endpoint_of(ContainerSpec *spec, const char *network)
{
	EndpointSpec *endpoints = spec->endpoints.items;

	for (size_t i = 0; i < spec->endpoints.count; i++)
		if (string_equal(endpoints[i].network, network))
			return &endpoints[i];
	return NULL;
}

static fallible check_mac(ContainerSpec *spec)
{
	const EndpointSpec *main = endpoint_of(spec, network_mode_shown(spec));

	if (string_empty(spec->mac_address) || !main || !main->mac || string_equal(main->mac, spec->mac_address))
		return NULL;
	return error_new(ERROR_INVALID,
		"the container-wide MAC address must match the endpoint-specific MAC address for "
		"the main network, or be left empty");
}

/* Who names networks and no mode wants those, and not the default one as well. */
static void choose_mode(CreateBody *body)
{
	ContainerSpec *spec = &body->spec;
	const EndpointSpec *endpoints = spec->endpoints.items;

	if (body->network_disabled)
		spec->network_mode = mem_strdup("none");
	else if (!string_empty(body->network_mode))
		spec->network_mode = take(body->network_mode);
	if (spec->endpoints.count && network_is_default(spec) && !endpoint_of(spec, "default") &&
		!endpoint_of(spec, "bridge"))
		string_replace(&spec->network_mode, endpoints[0].network);
}

static fallible read_network(CreateBody *body)
{
	ContainerSpec *spec = &body->spec;

	TRY(port_bindings_read(&spec->ports, body->port_bindings));
	TRY(links_read(&spec->links, &body->links));
	TRY(endpoints_config_read(&spec->endpoints, body->endpoints));
	choose_mode(body);
	return check_mac(spec);
}

/* [] and [""] both take the image's entrypoint away; null and no member leave it. */
static void read_entrypoint(CreateBody *body, const Value *given)
{
	bool is_blank = body->entrypoint.count == 1 && !*body->entrypoint.items[0];

	body->spec.entrypoint_reset = !value_is_null(given) && (body->entrypoint.count == 0 || is_blank);
	if (!is_blank)
		strings_copy(&body->spec.entrypoint, &body->entrypoint);
	strings_copy(&body->spec.command, &body->command);
}

static void read_health(CreateBody *body)
{
	fields_copy(health_check_fields, &body->spec.health, &body->health);
}

static const char *const empty_means_none[] = {"Hostname", "Domainname", "User", "MacAddress", "WorkingDir",
	"CgroupnsMode", "CgroupParent", "IpcMode", "PidMode", "UTSMode", "UsernsMode", "Runtime", "CpusetCpus",
	"CpusetMems"};

/* Docker's clients send "" where they mean nothing; a ContainerSpec has NULL there. */
static void drop_empty_texts(const Field *table, ContainerSpec *spec)
{
	for (; table->name; table++) {
		char **slot = (char **)((char *)spec + table->offset);
		if (table->kind == FIELD_STRING && *slot && !**slot &&
			names_find(empty_means_none, sizeof(empty_means_none) / sizeof(empty_means_none[0]),
				table->name) >= 0)
			string_replace(slot, NULL);
	}
}

static bool are_same(const StringList *a, const StringList *b)
{
	for (size_t i = 0; i < a->count && i < b->count; i++)
		if (strcmp(a->items[i], b->items[i]) != 0)
			return false;
	return a->count == b->count;
}

/* A list of the caller's own, also an empty one. Our own comes back with what inspect showed, and says nothing. */
static bool take_paths(StringList *ret, const StringList *asked, const Value *given, const StringList *ours)
{
	if (!value_is_array(given) || are_same(asked, ours))
		return false;
	strings_copy(ret, asked);
	return true;
}

static void read_paths(CreateBody *body, const Value *host)
{
	ContainerSpec *spec = &body->spec;
	autoclear(StringList) hidden = {0}, unwritable = {0};

	container_spec_masked_paths(&hidden, spec);
	container_spec_read_only_paths(&unwritable, spec);
	spec->masked_paths_given =
		take_paths(&spec->masked_paths, &body->masked_paths, value_get(host, "MaskedPaths"), &hidden);
	spec->read_only_paths_given = take_paths(
		&spec->read_only_paths, &body->read_only_paths, value_get(host, "ReadonlyPaths"), &unwritable);
}

/* Rows, then columns. */
static fallible read_console_size(ContainerSpec *spec, const Value *size)
{
	if (value_is_null(size))
		return NULL;
	spec->console_rows = value_int(value_at(size, 0), -1);
	spec->console_columns = value_int(value_at(size, 1), -1);
	if (value_count(size) != 2 || spec->console_rows < 0 || spec->console_rows > UINT16_MAX ||
		spec->console_columns < 0 || spec->console_columns > UINT16_MAX)
		return error_new(ERROR_INVALID, "field \"HostConfig.ConsoleSize\" must be two numbers of characters");
	return NULL;
}

static fallible convert(CreateBody *body, const Value *value)
{
	ContainerSpec *spec = &body->spec;

	drop_empty_texts(config_plain_fields, spec);
	drop_empty_texts(host_plain_fields, spec);
	drop_empty_texts(host_default_fields, spec);
	container_spec_complete_capabilities(spec);
	read_entrypoint(body, value_get(value, "Entrypoint"));
	read_health(body);
	spec->stop_signal = string_empty(body->stop_signal) ? NULL : take(body->stop_signal);
	spec->stop_timeout_s = body->stop_timeout_s;
	spec->health_on_failure = string_empty(body->health_on_failure) ? NULL : take(body->health_on_failure);
	spec->init = body->init;
	strings_copy(&spec->exposed_ports, &body->exposed_ports);
	strings_copy(&spec->volumes, &body->volumes);
	strings_copy(&spec->on_build, &body->on_build);
	strings_copy(&spec->shell, &body->shell);
	map_copy(&spec->annotations, &body->annotations);
	read_paths(body, value_get(value, "HostConfig"));
	TRY(read_network(body));
	TRY(read_restart(body));
	read_log(body);
	return read_mounts(body);
}

static fallible read_body(CreateBody *body, const Value *value)
{
	const Value *host = value_get(value, "HostConfig");

	TRY(fields_read(body_fields, body, value, 0));
	TRY(fields_read(config_plain_fields, &body->spec, value, 0));
	if (!value_is_null(host))
		TRY_WRAP(fields_read(host_plain_fields, &body->spec, host, 0), "HostConfig");
	if (!value_is_null(host))
		TRY_WRAP(fields_read(host_default_fields, &body->spec, host, 0), "HostConfig");
	if (!value_is_null(host))
		TRY_WRAP(fields_read(host_request_fields, &body->spec, host, 0), "HostConfig");
	if (string_empty(body->spec.image))
		return error_new(ERROR_INVALID, "field \"Image\" is missing");
	TRY(read_console_size(&body->spec, value_get(host, "ConsoleSize")));
	TRY(refuse_unavailable(value));
	return convert(body, value);
}

fallible spec_read(ContainerSpec *ret, const Value *value)
{
	CreateBody body = {.stop_timeout_s = -1};
	Error *error;

	container_spec_init(&body.spec);
	error = read_body(&body, value);
	if (error) {
		container_spec_clear(&body.spec);
	} else {
		container_spec_clear(ret);
		*ret = body.spec;
	}
	fields_clear(body_fields, &body);
	return error;
}

void spec_as_version(ContainerSpec *spec, int version)
{
	if (version < 25)
		spec->auto_remove = false; /* was the client's own work */
	if (version < 40 && string_empty(spec->ipc_mode))
		string_replace(&spec->ipc_mode, "shareable");
}

// SPDX-License-Identifier: Apache-2.0
#include "runtime/spec.h"

#include <string.h>

#include "base/memory.h"

const char *const restart_policy_names[RESTART_POLICIES] = {
	[RESTART_NO] = "no",
	[RESTART_ON_FAILURE] = "on-failure",
	[RESTART_ALWAYS] = "always",
	[RESTART_UNLESS_STOPPED] = "unless-stopped",
};

const char *const mount_kind_names[MOUNT_KINDS] = {
	[MOUNT_BIND] = "bind",
	[MOUNT_TMPFS] = "tmpfs",
	[MOUNT_VOLUME] = "volume",
};

/* ---- the stored form ---- */

/* More than a record has room for: what was taken is read again. Whoever asks is bounded where that enters, list by
 * list, and what is kept may have come from several: ports of a request and of an image, mounts of many kinds. */
enum { ITEMS_MAX = 1 << 22 };

#define AT(member) .offset = offsetof(OWNER, member)

#define OWNER MountSpec
const Field mount_spec_fields[] = {
	{"kind", FIELD_ENUM, AT(kind), .names = mount_kind_names, .name_count = MOUNT_KINDS},
	{"source", FIELD_STRING, AT(source), .omit_empty = true},
	{"target", FIELD_STRING, AT(target), .required = true},
	{"readOnly", FIELD_BOOL, AT(read_only), .omit_empty = true},
	{"makeSource", FIELD_BOOL, AT(make_source), .omit_empty = true},
	{"asMount", FIELD_BOOL, AT(as_mount), .omit_empty = true},
	{"flat", FIELD_BOOL, AT(is_flat), .omit_empty = true},
	{"readOnlyBelow", FIELD_BOOL, AT(read_only_below), .omit_empty = true},
	{"propagation", FIELD_STRING, AT(propagation), .omit_empty = true},
	{"options", FIELD_STRING, AT(options), .omit_empty = true},
	{"mode", FIELD_STRING, AT(mode), .omit_empty = true},
	{"noCopy", FIELD_BOOL, AT(no_copy), .omit_empty = true},
	{"copies", FIELD_BOOL, AT(copies), .omit_empty = true},
	{"anonymous", FIELD_BOOL, AT(is_anonymous), .omit_empty = true},
	{"lent", FIELD_BOOL, AT(is_lent), .omit_empty = true},
	{"subpath", FIELD_STRING, AT(subpath), .omit_empty = true},
	{"driver", FIELD_STRING, AT(driver), .omit_empty = true},
	{"driverOptions", FIELD_MAP, AT(driver_options), .omit_empty = true},
	{"volumeLabels", FIELD_MAP, AT(volume_labels), .omit_empty = true},
	FIELDS_END,
};
#undef OWNER

#define OWNER UlimitSpec
static const Field ulimit_fields[] = {
	{"name", FIELD_STRING, AT(name), .required = true},
	{"soft", FIELD_INT, AT(soft)},
	{"hard", FIELD_INT, AT(hard)},
	FIELDS_END,
};
#undef OWNER

#define OWNER RateSpec
static const Field rate_fields[] = {
	{"path", FIELD_STRING, AT(path), .required = true},
	{"rate", FIELD_INT, AT(rate)},
	FIELDS_END,
};
#undef OWNER

#define OWNER DeviceSpec
static const Field device_fields[] = {
	{"hostPath", FIELD_STRING, AT(host_path), .required = true},
	{"containerPath", FIELD_STRING, AT(container_path), .required = true},
	{"permissions", FIELD_STRING, AT(permissions)},
	FIELDS_END,
};
#undef OWNER

#define OWNER DeviceRequest
static const Field device_request_fields[] = {
	{"driver", FIELD_STRING, AT(driver), .omit_empty = true},
	{"count", FIELD_INT, AT(count), .omit_empty = true},
	{"ids", FIELD_STRINGS, AT(ids), .omit_empty = true},
	{"capabilities", FIELD_VALUE, AT(capabilities), .omit_empty = true},
	{"options", FIELD_MAP, AT(options), .omit_empty = true},
	{"optional", FIELD_BOOL, AT(optional), .omit_empty = true},
	FIELDS_END,
};
#undef OWNER

#define OWNER ContainerSpec
#define TEXT(key, member)                                                                                              \
	{                                                                                                              \
		key, FIELD_STRING, AT(member), .omit_empty = true                                                      \
	}
#define TEXTS(key, member)                                                                                             \
	{                                                                                                              \
		key, FIELD_STRINGS, AT(member), .omit_empty = true, .max_count = ITEMS_MAX                             \
	}
#define PAIRS(key, member)                                                                                             \
	{                                                                                                              \
		key, FIELD_MAP, AT(member), .omit_empty = true, .max_count = ITEMS_MAX                                 \
	}
#define TRUTH(key, member)                                                                                             \
	{                                                                                                              \
		key, FIELD_BOOL, AT(member), .omit_empty = true                                                        \
	}
#define NUMBER(key, member)                                                                                            \
	{                                                                                                              \
		key, FIELD_INT, AT(member), .omit_empty = true                                                         \
	}
#define STRUCTS(key, member, table, type)                                                                              \
	{                                                                                                              \
		key, FIELD_ARRAY, AT(member), .sub = table, .sub_size = sizeof(type), .omit_empty = true,              \
					      .max_count = ITEMS_MAX                                                   \
	}

const Field container_spec_fields[] = {
	TEXT("image", image),
	TEXTS("entrypoint", entrypoint),
	TEXTS("command", command),
	TRUTH("entrypointReset", entrypoint_reset),
	TEXTS("env", env),
	TEXT("workdir", workdir),
	TEXT("user", user),
	TEXTS("groups", groups),
	TEXT("hostname", hostname),
	TEXT("domainname", domainname),
	PAIRS("labels", labels),
	TEXTS("exposedPorts", exposed_ports),
	TRUTH("tty", tty),
	NUMBER("consoleRows", console_rows),
	NUMBER("consoleColumns", console_columns),
	TRUTH("openStdin", open_stdin),
	TRUTH("stdinOnce", stdin_once),
	TRUTH("attachStdin", attach_stdin),
	TRUTH("attachStdout", attach_stdout),
	TRUTH("attachStderr", attach_stderr),
	TEXTS("onBuild", on_build),
	TEXTS("shell", shell),
	TEXT("idFile", id_file),

	STRUCTS("mounts", mounts, mount_spec_fields, MountSpec),
	TEXTS("binds", binds),
	TEXTS("volumes", volumes),
	TEXTS("volumesFrom", volumes_from),
	TEXT("volumeDriver", volume_driver),
	TRUTH("readOnlyRoot", read_only_root),
	NUMBER("shmSize", shm_size),

	TEXT("networkMode", network_mode),
	STRUCTS("endpoints", endpoints, endpoint_spec_fields, EndpointSpec),
	STRUCTS("ports", ports, port_spec_fields, PortSpec),
	TRUTH("publishAll", publish_all),
	TEXTS("links", links),
	TEXT("macAddress", mac_address),
	TEXT("pidMode", pid_mode),
	TEXT("ipcMode", ipc_mode),
	TEXT("utsMode", uts_mode),
	TEXT("cgroupnsMode", cgroupns_mode),
	TEXT("usernsMode", userns_mode),
	TRUTH("privileged", privileged),
	TEXTS("capAdd", cap_add),
	TEXTS("capDrop", cap_drop),
	TEXTS("securityOptions", security_options),
	STRUCTS("devices", devices, device_fields, DeviceSpec),
	TEXTS("deviceRules", device_rules),
	STRUCTS("deviceRequests", device_requests, device_request_fields, DeviceRequest),
	TEXTS("maskedPaths", masked_paths),
	TEXTS("readOnlyPaths", read_only_paths),
	TRUTH("maskedPathsGiven", masked_paths_given),
	TRUTH("readOnlyPathsGiven", read_only_paths_given),
	PAIRS("annotations", annotations),
	PAIRS("sysctls", sysctls),
	STRUCTS("ulimits", ulimits, ulimit_fields, UlimitSpec),
	TEXTS("extraHosts", extra_hosts),
	TEXTS("dns", dns),
	TEXTS("dnsSearch", dns_search),
	TEXTS("dnsOptions", dns_options),
	TRUTH("init", init),

	NUMBER("memory", memory),
	NUMBER("memoryReservation", memory_reservation),
	NUMBER("memorySwap", memory_swap),
	NUMBER("nanoCpus", nano_cpus),
	NUMBER("cpuShares", cpu_shares),
	NUMBER("cpuPeriod", cpu_period),
	NUMBER("cpuQuota", cpu_quota),
	TEXT("cpusetCpus", cpuset_cpus),
	TEXT("cpusetMems", cpuset_mems),
	NUMBER("pidsLimit", pids_limit),
	NUMBER("blkioWeight", blkio_weight),
	STRUCTS("deviceWeights", rates[RATE_WEIGHT], rate_fields, RateSpec),
	STRUCTS("deviceReadBps", rates[RATE_READ_BPS], rate_fields, RateSpec),
	STRUCTS("deviceWriteBps", rates[RATE_WRITE_BPS], rate_fields, RateSpec),
	STRUCTS("deviceReadIops", rates[RATE_READ_IOPS], rate_fields, RateSpec),
	STRUCTS("deviceWriteIops", rates[RATE_WRITE_IOPS], rate_fields, RateSpec),
	{"memorySwappiness", FIELD_INT, AT(memory_swappiness)}, /* 0 is not the default */
	NUMBER("oomScoreAdj", oom_score_adj),
	TRUTH("oomKillDisable", oom_kill_disable),
	TEXT("cgroupParent", cgroup_parent),

	{"restartPolicy", FIELD_ENUM, AT(restart_policy), .names = restart_policy_names,
		.name_count = RESTART_POLICIES},
	NUMBER("restartMax", restart_max),
	TRUTH("autoRemove", auto_remove),
	TEXT("stopSignal", stop_signal),
	{"stopTimeout", FIELD_INT, AT(stop_timeout_s)}, /* 0 is not the default */
	{"health", FIELD_OBJECT, AT(health), .sub = health_check_fields},
	TEXT("healthOnFailure", health_on_failure),
	TEXT("runtime", runtime),
	TEXT("logDriver", log_driver),
	PAIRS("logOptions", log_options),
	FIELDS_END,
};
#undef OWNER

void container_spec_init(ContainerSpec *spec)
{
	*spec = (ContainerSpec){.stop_timeout_s = -1, .memory_swappiness = -1};
}

void container_spec_clear(ContainerSpec *spec)
{
	fields_clear(container_spec_fields, spec);
}

/* ---- merging the image ---- */

/* "NAME" of "NAME=value", or of a bare "NAME", which keeps the image's value out. */
static bool has_variable(const StringList *env, const char *variable)
{
	size_t length = strcspn(variable, "=");

	for (size_t i = 0; i < env->count; i++)
		if (strcspn(env->items[i], "=") == length && strncmp(env->items[i], variable, length) == 0)
			return true;
	return false;
}

static void merge_env(StringList *env, const StringList *image)
{
	for (size_t i = 0; i < image->count; i++)
		if (!has_variable(env, image->items[i]))
			strings_add(env, image->items[i]);
}

static void merge_labels(StringMap *labels, const StringMap *image)
{
	for (size_t i = 0; i < image->count; i++)
		if (!map_get(labels, image->items[i].key))
			map_set(labels, image->items[i].key, image->items[i].value);
}

static void merge_set(StringList *set, const StringList *image)
{
	for (size_t i = 0; i < image->count; i++)
		if (!strings_has(set, image->items[i]))
			strings_add(set, image->items[i]);
}

static void merge_text(char **text, const char *image)
{
	if (string_empty(*text) && !string_empty(image))
		string_replace(text, image);
}

/* An entrypoint of the caller's own means that the image's command, made for the image's entrypoint, does not apply. */
static void merge_command(ContainerSpec *spec, const ImageConfig *image)
{
	if (spec->entrypoint.count || spec->entrypoint_reset)
		return;
	strings_copy(&spec->entrypoint, &image->config.entrypoint);
	if (!spec->command.count)
		strings_copy(&spec->command, &image->config.command);
}

/* Each part that the caller left open; {"NONE"} stays what it is. */
static void merge_health(HealthCheck *health, const HealthCheck *image)
{
	if (!image)
		return;
	if (!health->test.count)
		strings_copy(&health->test, &image->test);
	if (!health->interval_ns)
		health->interval_ns = image->interval_ns;
	if (!health->timeout_ns)
		health->timeout_ns = image->timeout_ns;
	if (!health->start_period_ns)
		health->start_period_ns = image->start_period_ns;
	if (!health->start_interval_ns)
		health->start_interval_ns = image->start_interval_ns;
	if (!health->retries)
		health->retries = image->retries;
}

void container_spec_merge_image(ContainerSpec *spec, const ImageConfig *image)
{
	merge_command(spec, image);
	merge_env(&spec->env, &image->config.env);
	merge_labels(&spec->labels, &image->config.labels);
	merge_set(&spec->exposed_ports, &image->config.exposed_ports);
	merge_set(&spec->volumes, &image->config.volumes);
	merge_text(&spec->workdir, image->config.workdir);
	merge_text(&spec->user, image->config.user);
	merge_text(&spec->stop_signal, image->config.stop_signal);
	merge_health(&spec->health, image->config.health);
}

/* ---- names of capabilities ---- */

static void complete_capabilities(StringList *names)
{
	for (size_t i = 0; i < names->count; i++) {
		autofree char *name = mem_strdup(names->items[i]);
		for (char *c = name; *c; c++)
			*c = *c >= 'a' && *c <= 'z' ? (char)(*c - 0x20) : *c;
		bool is_whole = strcmp(name, "ALL") == 0 || string_starts(name, "CAP_");
		autofree char *complete = string_printf("%s%s", is_whole ? "" : "CAP_", name);
		string_replace(&names->items[i], complete);
	}
}

void container_spec_complete_capabilities(ContainerSpec *spec)
{
	complete_capabilities(&spec->cap_add);
	complete_capabilities(&spec->cap_drop);
}

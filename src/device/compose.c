// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/files.h"
#include "base/memory.h"
#include "device/carry.h"
#include "device/convert.h"
#include "device/interpolate.h"

/* One service on its way. */
typedef struct Compose {
	const Value *document, *service;
	const char *directory;
	Value *to;
	StringList *notes;
} Compose;

static void set_text(Value *object, const char *key, const char *text)
{
	if (!string_empty(text))
		value_set(object, key, value_new_string(text));
}

static const char *text_at(const Value *object, const char *key)
{
	return value_string(value_get(object, key));
}

/* What a service is called as a container. */
static const char *service_name(const Value *document, const char *service)
{
	const char *own = text_at(value_get(value_get(document, "services"), service), "container_name");

	return own ? own : service;
}

/* ---- paths ---- */

static fallible whole_path(char **ret, const Compose *compose, const char *path)
{
	const char *plain = string_starts(path, "./") ? path + 2 : string_equal(path, ".") ? "" : path;

	if (*path == '/') {
		*ret = mem_strdup(path);
		return NULL;
	}
	if (*path == '~')
		return error_new(ERROR_INVALID, "path \"%.300s\" is of somebody's home: write it out", path);
	if (!compose->directory)
		return error_new(
			ERROR_INVALID, "path \"%.300s\" is relative, and the file's directory is not known", path);
	*ret = *plain ? path_join(compose->directory, plain) : mem_strdup(compose->directory);
	return NULL;
}

static bool is_path(const char *source)
{
	return strchr("./~", *source) != NULL;
}

/* ---- volumes ---- */

/* A volume of the file's may have another name, a driver, labels. */
static void put_volume(const Compose *compose, Value *mount, const char *name)
{
	static const Carried parts[] = {
		{"driver", "driver"}, {"driver_opts", "driverOptions"}, {"labels", "labels"}, {NULL, NULL}};
	const Value *volume = value_get(value_get(compose->document, "volumes"), name);
	const char *other = text_at(volume, "name");

	set_text(mount, "type", "volume");
	set_text(mount, "source", other ? other : name);
	carry(mount, volume, parts);
}

static void put_mode(Value *mount, const char *mode)
{
	autoclear(StringList) words = {0};

	strings_split(&words, mode, ',');
	for (size_t i = 0; i < words.count; i++) {
		if (string_equal(words.items[i], "ro"))
			value_set(mount, "readOnly", value_new_bool(true));
		else if (string_equal(words.items[i], "nocopy"))
			value_set(mount, "noCopy", value_new_bool(true));
		else if (string_ends(words.items[i], "shared") || string_ends(words.items[i], "slave"))
			set_text(mount, "propagation", words.items[i]);
	}
}

/* As of a variable that has no value: what would be mounted is another place. */
static bool has_empty(const StringList *parts)
{
	for (size_t i = 0; i < parts->count; i++)
		if (!*parts->items[i])
			return true;
	return false;
}

static fallible put_short_volume(const Compose *compose, Value *mount, const char *word)
{
	autoclear(StringList) parts = {0};
	autofree char *path = NULL;

	strings_split(&parts, word, ':');
	if (parts.count < 1 || parts.count > 3 || has_empty(&parts))
		return error_new(ERROR_INVALID, "volume \"%.300s\" is not of the form SOURCE:TARGET[:MODE]", word);
	set_text(mount, "target", parts.items[parts.count > 1]);
	if (parts.count == 1)
		set_text(mount, "type", "volume");
	else if (is_path(parts.items[0]))
		TRY(whole_path(&path, compose, parts.items[0]));
	else
		put_volume(compose, mount, parts.items[0]);
	if (path) {
		set_text(mount, "type", "bind");
		set_text(mount, "source", path);
		value_set(mount, "createSource", value_new_bool(true));
	}
	if (parts.count == 3)
		put_mode(mount, parts.items[2]);
	return NULL;
}

/* A size of its own, in the options. */
static void put_tmpfs_options(Value *mount, const Value *from)
{
	const Value *size = value_path(from, "tmpfs.size");
	int64_t mode = value_int(value_path(from, "tmpfs.mode"), 0);
	autoclear(StringList) words = {0};

	if (value_string(size))
		strings_printf(&words, "size=%s", value_string(size));
	else if (!says_nothing(size))
		strings_printf(&words, "size=%lld", (long long)value_int(size, 0));
	if (mode)
		strings_printf(&words, "mode=%llo", (unsigned long long)mode);
	autofree char *options = strings_join(&words, ",");
	set_text(mount, "options", options);
}

static fallible put_long_volume(const Compose *compose, Value *mount, const Value *from)
{
	static const Carried parts[] = {{"target", "target"}, {"read_only", "readOnly"},
		{"bind.propagation", "propagation"}, {"volume.nocopy", "noCopy"}, {"volume.subpath", "subpath"},
		{NULL, NULL}};
	const char *type = text_at(from, "type"), *source = text_at(from, "source");
	const Value *makes = value_path(from, "bind.create_host_path");
	autofree char *path = NULL;

	carry(mount, from, parts);
	set_text(mount, "type", type);
	if (string_equal(type, "volume") && source)
		put_volume(compose, mount, source);
	if (string_equal(type, "bind") && source) {
		TRY(whole_path(&path, compose, source));
		set_text(mount, "source", path);
		value_set(mount, "createSource", value_new_bool(value_bool(makes, true)));
	}
	if (string_equal(type, "tmpfs"))
		put_tmpfs_options(mount, from);
	return NULL;
}

static fallible put_volumes(const Compose *compose)
{
	const Value *volumes = value_get(compose->service, "volumes");
	Value *list = value_array();

	value_set(compose->to, "volumes", list);
	for (size_t i = 0; i < value_count(volumes); i++) {
		const Value *item = value_at(volumes, i);
		Value *mount = value_object();
		value_append(list, mount);
		TRY(value_is_string(item) ? put_short_volume(compose, mount, value_string(item))
					  : put_long_volume(compose, mount, item));
	}
	return NULL;
}

/* Texts, or {path, required}. */
static fallible put_env_files(const Compose *compose)
{
	const Value *given = value_get(compose->service, "env_file");
	size_t count = value_is_array(given) ? value_count(given) : !value_is_null(given);
	Value *list = value_array();

	value_set(compose->to, "envFile", list);
	for (size_t i = 0; i < count; i++) {
		const Value *item = value_is_array(given) ? value_at(given, i) : given;
		const char *path = value_is_object(item) ? text_at(item, "path") : value_string(item);
		autofree char *whole = NULL;
		TRY(whole_path(&whole, compose, path ? path : ""));
		if (!value_bool(value_get(item, "required"), true) && !file_exists(AT_FDCWD, whole))
			continue;
		value_append(list, value_new_string(whole));
	}
	return NULL;
}

/* ---- networks ---- */

static void put_ports(const Compose *compose)
{
	static const Carried parts[] = {
		{"target", "container"}, {"protocol", "protocol"}, {"host_ip", "address"}, {NULL, NULL}};
	const Value *ports = value_get(compose->service, "ports");
	Value *list = value_array();

	value_set(compose->to, "ports", list);
	for (size_t i = 0; i < value_count(ports); i++) {
		const Value *item = value_at(ports, i), *published = value_get(item, "published");
		Value *port = value_is_object(item) ? value_object() : value_copy(item);
		value_append(list, port);
		if (!value_is_object(item))
			continue;
		carry(port, item, parts);
		if (value_is_number(published))
			value_set(port, "host", value_copy(published));
		else if (value_string(published)) /* "8080", or "8080-8090": the first that is free */
			value_set(port, "host", value_new_int(atoi(value_string(published))));
		const char *dash = value_string(published) ? strchr(value_string(published), '-') : NULL;
		if (dash)
			value_set(port, "hostEnd", value_new_int(atoi(dash + 1)));
	}
}

static void put_network(const Compose *compose, const char *name, const Value *settings)
{
	static const Carried parts[] = {{"aliases", "aliases"}, {"ipv4_address", "ipv4"}, {"ipv6_address", "ipv6"},
		{"link_local_ips", "linkLocal"}, {"mac_address", "mac"}, {"driver_opts", "options"},
		{"gw_priority", "priority"}, {NULL, NULL}};
	const char *other = text_at(value_get(value_get(compose->document, "networks"), name), "name");
	Value *network = value_object();

	name = other ? other : name;
	set_text(network, "name", name);
	carry(network, settings, parts);
	value_append(value_get(compose->to, "networks"), network);
	strings_printf(compose->notes, "network \"%.128s\" must be there: kedge network create %.128s", name, name);
}

static void put_networks(const Compose *compose)
{
	const Value *networks = value_get(compose->service, "networks");
	const char *name;
	Value *settings;
	size_t cursor = 0;

	value_set(compose->to, "networks", value_array());
	for (size_t i = 0; value_is_array(networks) && i < value_count(networks); i++)
		if (value_is_string(value_at(networks, i)))
			put_network(compose, value_string(value_at(networks, i)), NULL);
	while (value_is_object(networks) && value_each(networks, &cursor, &name, &settings))
		put_network(compose, name, settings);
	if (!value_count(networks) && !text_at(compose->service, "network_mode") &&
		value_count(value_get(compose->document, "services")) > 1)
		strings_printf(compose->notes,
			"services find each other by name on a network of their own: make one, and "
			"name it in \"networks\"");
}

/* "service:x" is another container of the file. */
static void put_mode_of(const Compose *compose, const char *key, const char *to)
{
	const char *mode = text_at(compose->service, key);
	bool is_service = mode && string_starts(mode, "service:");
	autofree char *joined =
		is_service ? string_printf("container:%s", service_name(compose->document, mode + 8)) : NULL;

	set_text(compose->to, to, joined ? joined : mode);
}

/* ---- life ---- */

/* "on-failure:3" */
static void put_restart(const Compose *compose)
{
	const Value *given = value_get(compose->service, "restart");
	const char *text = value_is_bool(given) ? "no" : value_string(given);
	size_t length = text ? strcspn(text, ":") : 0;
	autofree char *policy = mem_strndup(text ? text : "no", text ? length : 2);

	set_text(compose->to, "restart", policy);
	if (text && text[length])
		value_set(compose->to, "restartRetries", value_new_int(atoi(text + length + 1)));
}

static void put_healthcheck(const Compose *compose)
{
	static const Carried parts[] = {{"test", "test"}, {"interval", "interval"}, {"timeout", "timeout"},
		{"retries", "retries"}, {"start_period", "startPeriod"}, {"start_interval", "startInterval"},
		{NULL, NULL}};
	const Value *check = value_get(compose->service, "healthcheck");
	Value *to = value_object();

	value_set(compose->to, "healthcheck", to);
	carry(to, check, parts);
	if (value_bool(value_get(check, "disable"), false))
		set_text(to, "test", "NONE");
}

static const char *condition_word(const char *condition)
{
	if (string_equal(condition, "service_healthy"))
		return "healthy";
	return string_equal(condition, "service_completed_successfully") ? "completed" : "started";
}

static void note_dependency(const Compose *compose, const char *service, const Value *settings)
{
	if (value_bool(value_get(settings, "restart"), false))
		strings_printf(compose->notes,
			"\"depends_on\": \"restart\" of \"%.128s\" is left out: what runs goes on", service);
	if (!value_bool(value_get(settings, "required"), true))
		strings_printf(
			compose->notes, "\"depends_on\": \"%.128s\" must be there, though it is not required", service);
}

static void put_dependency(const Compose *compose, const char *service, const Value *settings)
{
	Value *dependency = value_object();

	set_text(dependency, "name", service_name(compose->document, service));
	set_text(dependency, "condition", condition_word(text_at(settings, "condition")));
	value_append(value_get(compose->to, "dependsOn"), dependency);
	note_dependency(compose, service, settings);
}

static void put_dependencies(const Compose *compose)
{
	const Value *services = value_get(compose->service, "depends_on");
	const char *name;
	Value *settings;
	size_t cursor = 0;

	value_set(compose->to, "dependsOn", value_array());
	for (size_t i = 0; value_is_array(services) && i < value_count(services); i++)
		if (value_is_string(value_at(services, i)))
			put_dependency(compose, value_string(value_at(services, i)), NULL);
	while (value_is_object(services) && value_each(services, &cursor, &name, &settings))
		put_dependency(compose, name, settings);
}

static void put_pull(const Compose *compose)
{
	const char *policy = text_at(compose->service, "pull_policy");

	if (string_equal(policy, "always") || string_equal(policy, "never"))
		set_text(compose->to, "pull", policy);
	else if (policy && strcmp(policy, "missing") && strcmp(policy, "if_not_present"))
		strings_printf(compose->notes,
			"\"pull_policy: %.64s\" is left out: always, missing and never are possible", policy);
}

/* ---- the rest ---- */

static const Carried plain[] = {
	{"image", "image"},
	{"entrypoint", "entrypoint"},
	{"command", "command"},
	{"environment", "environment"},
	{"user", "user"},
	{"working_dir", "workingDir"},
	{"hostname", "hostname"},
	{"domainname", "domainName"},
	{"labels", "labels"},
	{"annotations", "annotations"},
	{"tty", "tty"},
	{"stdin_open", "stdinOpen"},
	{"init", "init"},
	{"runtime", "runtime"},
	{"stop_signal", "stopSignal"},
	{"stop_grace_period", "stopGracePeriod"},
	{"logging.driver", "logging.driver"},
	{"logging.options", "logging.options"},
	{"tmpfs", "tmpfs"},
	{"volumes_from", "volumesFrom"},
	{"read_only", "readOnly"},
	{"shm_size", "shmSize"},
	{"links", "links"},
	{"mac_address", "macAddress"},
	{"dns", "dns"},
	{"dns_search", "dnsSearch"},
	{"dns_opt", "dnsOptions"},
	{"extra_hosts", "extraHosts"},
	{"privileged", "privileged"},
	{"cap_add", "capAdd"},
	{"cap_drop", "capDrop"},
	{"security_opt", "securityOpt"},
	{"devices", "devices"},
	{"device_cgroup_rules", "deviceCgroupRules"},
	{"gpus", "gpus"},
	{"uts", "uts"},
	{"cgroup", "cgroupns"},
	{"userns_mode", "userns"},
	{"sysctls", "sysctls"},
	{"ulimits", "ulimits"},
	{"cgroup_parent", "cgroupParent"},
	{"mem_limit", "memory"},
	{"mem_reservation", "memoryReservation"},
	{"memswap_limit", "memorySwap"},
	{"mem_swappiness", "memorySwappiness"},
	{"oom_kill_disable", "oomKillDisable"},
	{"oom_score_adj", "oomScoreAdj"},
	{"cpus", "cpus"},
	{"cpu_shares", "cpuShares"},
	{"cpu_period", "cpuPeriod"},
	{"cpu_quota", "cpuQuota"},
	{"cpuset", "cpuset"},
	{"pids_limit", "pidsLimit"},
	{"blkio_config.weight", "blkioWeight"},
	{"blkio_config.weight_device", "blkioWeightDevice"},
	{"blkio_config.device_read_bps", "deviceReadBps"},
	{"blkio_config.device_write_bps", "deviceWriteBps"},
	{"blkio_config.device_read_iops", "deviceReadIops"},
	{"blkio_config.device_write_iops", "deviceWriteIops"},
	{"deploy.resources.limits.cpus", "cpus"},
	{"deploy.resources.limits.memory", "memory"},
	{"deploy.resources.limits.pids", "pidsLimit"},
	{"deploy.resources.reservations.memory", "memoryReservation"},
	{NULL, NULL},
};

/* Those that have their own function here. */
static const char *const others[] = {"container_name", "volumes", "env_file", "ports", "expose", "networks",
	"network_mode", "pid", "ipc", "restart", "healthcheck", "depends_on", "pull_policy", "group_add", "logging",
	"blkio_config", "deploy"};

static void note_what_is_missing(const Compose *compose)
{
	static const char *const known_parts[] = {"resources", NULL};
	const char *known[COUNT(plain) + COUNT(others) + 1];
	size_t count = 0;

	for (size_t i = 0; plain[i].from; i++)
		known[count++] = plain[i].from;
	for (size_t i = 0; i < COUNT(others); i++)
		known[count++] = others[i];
	known[count] = NULL;
	note_others(compose->notes, compose->service, "", known);
	note_others(compose->notes, value_get(compose->service, "deploy"), "\"deploy\": ", known_parts);
}

/* What "deploy" reserves of devices: GPUs, all, so many, or these. */
static void put_reserved_device(const Compose *compose, const Value *device)
{
	static const Carried parts[] = {{"device_ids", "ids"}, {"count", "count"}, {NULL, NULL}};
	const char *first = value_string(value_at(value_get(device, "capabilities"), 0));
	Value *gpus = value_object();

	carry(gpus, device, parts);
	if (string_equal(text_at(device, "count"), "all") || !value_count(gpus))
		value_set(gpus, "count", value_new_int(-1));
	if (string_equal(first, "gpu") && !value_get(compose->to, "gpus")) {
		value_set(compose->to, "gpus", gpus);
		return;
	}
	value_free(gpus);
	strings_printf(
		compose->notes, "\"deploy\": a device with the capability \"%.64s\" is left out", first ? first : "");
}

static void put_reserved(const Compose *compose)
{
	const Value *devices = value_path(compose->service, "deploy.resources.reservations.devices");

	for (size_t i = 0; i < value_count(devices); i++)
		put_reserved_device(compose, value_at(devices, i));
	if (!says_nothing(value_path(compose->service, "deploy.resources.reservations.cpus")))
		strings_printf(
			compose->notes, "\"deploy\": reserved \"cpus\" are left out: there is nothing of their kind");
}

/* Texts that a file may have as numbers. */
static void put_numbers_as_texts(const Compose *compose, const char *from, const char *to)
{
	const Value *given = value_get(compose->service, from);
	Value *list = value_array();

	value_set(compose->to, to, list);
	for (size_t i = 0; i < value_count(given); i++) {
		const Value *item = value_at(given, i);
		autofree char *number = string_printf("%lld", (long long)value_int(item, 0));
		value_append(list, value_is_number(item) ? value_new_string(number) : value_copy(item));
	}
}

static fallible convert_service(const Compose *compose, const char *name, Declaration *ret)
{
	if (value_get(compose->service, "extends"))
		return error_new(ERROR_UNSUPPORTED, "\"extends\" is not possible: docker compose config writes it out");
	set_text(compose->to, "name", service_name(compose->document, name));
	carry(compose->to, compose->service, plain);
	TRY(put_volumes(compose));
	TRY(put_env_files(compose));
	put_ports(compose);
	put_numbers_as_texts(compose, "expose", "expose");
	put_numbers_as_texts(compose, "group_add", "groupAdd");
	put_networks(compose);
	put_mode_of(compose, "network_mode", "networkMode");
	put_mode_of(compose, "pid", "pid");
	put_mode_of(compose, "ipc", "ipc");
	put_restart(compose);
	put_healthcheck(compose);
	put_dependencies(compose);
	put_pull(compose);
	put_reserved(compose);
	note_what_is_missing(compose);
	return declaration_read(ret, compose->to, NULL);
}

static void add_service(
	ConvertedList *list, const Value *document, const char *directory, const char *name, const Value *given)
{
	Converted *converted = converted_add(list, name);
	autoptr(Value) service = NULL;
	autoptr(Value) to = value_object();
	Error *error = value_is_object(given) ? interpolate(&service, given, &converted->notes)
					      : error_new(ERROR_INVALID, "service \"%.128s\" must be an object", name);
	const Compose compose = {document, service, directory, to, &converted->notes};

	if (!error)
		error = convert_service(&compose, name, &converted->declaration);
	if (error)
		converted_fail(converted, error);
}

bool compose_is(const Value *document)
{
	return value_is_object(value_get(document, "services"));
}

fallible compose_convert(ConvertedList *ret, const Value *document, const char *directory)
{
	const Value *services = value_get(document, "services");
	const char *name;
	Value *service;
	size_t cursor = 0;

	if (!value_is_object(services))
		return error_new(ERROR_INVALID, "field \"services\" must be an object");
	if (value_count(services) > CONVERTED_MAX)
		return error_new(ERROR_INVALID, "field \"services\" has more than %d services", CONVERTED_MAX);
	while (value_each(services, &cursor, &name, &service))
		add_service(ret, document, directory, name, service);
	return NULL;
}

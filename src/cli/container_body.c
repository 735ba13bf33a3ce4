// SPDX-License-Identifier: Apache-2.0
/* POST /containers/create: plain fields by tables, the rest word by word. Source: moby's api/swagger.yaml,
 * ContainerConfig and HostConfig. */
#include <fcntl.h>
#include <string.h>

#include "base/env_file.h"
#include "base/files.h"
#include "base/memory.h"
#include "base/words.h"
#include "cli/container_options.h"
#include "cli/gpus_option.h"
#include "cli/network_option.h"
#include "cli/port_option.h"
#include "cli/terminal.h"

enum { PROFILE_MAX = 1 << 20 };

#define AT(member) offsetof(ContainerOptions, member)
#define PLAIN(name_, kind_, member)                                                                                    \
	{                                                                                                              \
		.name = name_, .kind = kind_, .offset = AT(member), .omit_empty = true                                 \
	}

static const Field config_fields[] = {
	PLAIN("User", FIELD_STRING, user),
	PLAIN("WorkingDir", FIELD_STRING, workdir),
	PLAIN("Hostname", FIELD_STRING, hostname),
	PLAIN("Domainname", FIELD_STRING, domainname),
	PLAIN("StopSignal", FIELD_STRING, stop_signal),
	PLAIN("HealthOnFailure", FIELD_STRING, health_on_failure),
	FIELDS_END,
};

static const Field limit_fields[] = {
	PLAIN("Memory", FIELD_INT, memory),
	PLAIN("MemoryReservation", FIELD_INT, memory_reservation),
	PLAIN("MemorySwap", FIELD_INT, memory_swap),
	PLAIN("NanoCpus", FIELD_INT, nano_cpus),
	PLAIN("CpuShares", FIELD_INT, cpu_shares),
	PLAIN("CpuPeriod", FIELD_INT, cpu_period),
	PLAIN("CpuQuota", FIELD_INT, cpu_quota),
	PLAIN("CpuRealtimePeriod", FIELD_INT, cpu_rt_period),
	PLAIN("CpuRealtimeRuntime", FIELD_INT, cpu_rt_runtime),
	PLAIN("CpusetCpus", FIELD_STRING, cpuset_cpus),
	PLAIN("CpusetMems", FIELD_STRING, cpuset_mems),
	PLAIN("BlkioWeight", FIELD_INT, blkio_weight),
	FIELDS_END,
};

static const Field host_fields[] = {
	PLAIN("PublishAllPorts", FIELD_BOOL, publish_all),
	PLAIN("Links", FIELD_STRINGS, links),
	PLAIN("PidMode", FIELD_STRING, pid),
	PLAIN("IpcMode", FIELD_STRING, ipc),
	PLAIN("UTSMode", FIELD_STRING, uts),
	PLAIN("UsernsMode", FIELD_STRING, userns),
	PLAIN("CgroupnsMode", FIELD_STRING, cgroupns),
	PLAIN("CgroupParent", FIELD_STRING, cgroup_parent),
	PLAIN("Runtime", FIELD_STRING, runtime),
	PLAIN("ContainerIDFile", FIELD_STRING, cidfile),
	PLAIN("AutoRemove", FIELD_BOOL, rm),
	PLAIN("Privileged", FIELD_BOOL, privileged),
	PLAIN("Init", FIELD_BOOL, init),
	PLAIN("ReadonlyRootfs", FIELD_BOOL, read_only),
	PLAIN("CapAdd", FIELD_STRINGS, cap_add),
	PLAIN("CapDrop", FIELD_STRINGS, cap_drop),
	PLAIN("GroupAdd", FIELD_STRINGS, group_add),
	PLAIN("VolumesFrom", FIELD_STRINGS, volumes_from),
	PLAIN("VolumeDriver", FIELD_STRING, volume_driver),
	PLAIN("DeviceCgroupRules", FIELD_STRINGS, device_cgroup_rules),
	PLAIN("Dns", FIELD_STRINGS, dns),
	PLAIN("DnsSearch", FIELD_STRINGS, dns_search),
	PLAIN("DnsOptions", FIELD_STRINGS, dns_options),
	PLAIN("ShmSize", FIELD_INT, shm_size),
	PLAIN("OomScoreAdj", FIELD_INT, oom_score_adj),
	PLAIN("OomKillDisable", FIELD_BOOL, oom_kill_disable),
	FIELDS_END,
};

static void write_given(Writer *writer, const char *key, int64_t number)
{
	if (number != NOT_GIVEN)
		write_int(writer, key, number);
}

/* ---- maps: "NAME=VALUE" ---- */

fallible pairs_write(Writer *writer, const char *key, const StringList *words, const char *option, bool needs_value)
{
	autoclear(StringMap) map = {0};

	for (size_t i = 0; i < words->count; i++) {
		const char *word = words->items[i], *equals = strchr(word, '=');
		autofree char *name = equals ? mem_strndup(word, (size_t)(equals - word)) : mem_strdup(word);
		if (!name[0] || (needs_value && !equals))
			return error_new(
				ERROR_INVALID, "option \"--%s\": \"%s\" is not of the form NAME=VALUE", option, word);
		map_set(&map, name, equals ? equals + 1 : "");
	}
	if (map.count > 0)
		write_map(writer, key, &map);
	return NULL;
}

static fallible write_labels(Writer *writer, const ContainerOptions *options)
{
	autoclear(StringList) words = {0};

	for (size_t i = 0; i < options->label_files.count; i++)
		TRY_WRAP(env_file_read(&words, options->label_files.items[i], false), "option \"--label-file\"");
	for (size_t i = 0; i < options->labels.count; i++)
		strings_add(&words, options->labels.items[i]);
	return pairs_write(writer, "Labels", &words, "label", false);
}

static fallible write_env(Writer *writer, const ContainerOptions *options)
{
	autoclear(StringList) words = {0};

	for (size_t i = 0; i < options->env_files.count; i++)
		TRY_WRAP(env_file_read(&words, options->env_files.items[i], true), "option \"--env-file\"");
	for (size_t i = 0; i < options->env.count; i++)
		TRY_WRAP(env_word_add(&words, options->env.items[i]), "option \"--env\"");
	if (words.count > 0)
		write_strings(writer, "Env", &words);
	return NULL;
}

/* "/target" or "/target:size=64m,mode=1777" */
static void write_tmpfs(Writer *writer, const StringList *words)
{
	autoclear(StringMap) map = {0};

	for (size_t i = 0; i < words->count; i++) {
		size_t length = strcspn(words->items[i], ":");
		autofree char *target = mem_strndup(words->items[i], length);
		map_set(&map, target, words->items[i][length] ? words->items[i] + length + 1 : "");
	}
	if (map.count > 0)
		write_map(writer, "Tmpfs", &map);
}

/* ---- what runs ---- */

/* Without --attach all that there is, unless it goes to the background. */
bool container_attaches(const ContainerOptions *options, const char *stream)
{
	if (options->detach)
		return false;
	if (string_equal(stream, "stdin") && options->interactive)
		return true;
	if (options->attach.count)
		return strings_has(&options->attach, stream);
	return !string_equal(stream, "stdin");
}

static void write_streams(Writer *writer, const ContainerOptions *options)
{
	bool takes_input = container_attaches(options, "stdin");

	if (takes_input)
		write_bool(writer, "AttachStdin", true);
	write_bool(writer, "AttachStdout", container_attaches(options, "stdout"));
	write_bool(writer, "AttachStderr", container_attaches(options, "stderr"));
	if (options->tty)
		write_bool(writer, "Tty", true);
	if (options->interactive)
		write_bool(writer, "OpenStdin", true);
	if (options->interactive && takes_input)
		write_bool(writer, "StdinOnce", true);
}

/* It begins with the size that it is to have. */
static void write_console_size(Writer *writer, const ContainerOptions *options)
{
	int rows, columns;

	if (!options->tty || !terminal_size(stdout, &rows, &columns))
		return;
	write_array(writer, "ConsoleSize");
	write_int(writer, NULL, rows);
	write_int(writer, NULL, columns);
	write_array_end(writer);
}

static fallible check_attach(const ContainerOptions *options)
{
	static const char *const streams[] = {"stdin", "stdout", "stderr"};

	for (size_t i = 0; i < options->attach.count; i++) {
		char *stream = options->attach.items[i];
		for (char *c = stream; *c; c++) /* Docker takes STDOUT too */
			*c |= *c >= 'A' && *c <= 'Z' ? 0x20 : 0;
		if (names_find(streams, COUNT(streams), stream) < 0)
			return error_new(ERROR_INVALID,
				"option \"--attach\": \"%s\" is none of stdin, stdout and stderr", stream);
	}
	return NULL;
}

static void write_command(Writer *writer, const ContainerOptions *options, const StringList *arguments)
{
	autoclear(StringList) command = {0};

	strings_copy(&command, arguments);
	strings_remove(&command, 0);
	write_string(writer, "Image", arguments->items[0]);
	if (command.count > 0)
		write_strings(writer, "Cmd", &command);
	if (!options->entrypoint)
		return;
	write_array(writer, "Entrypoint");
	write_string(writer, NULL, options->entrypoint);
	write_array_end(writer);
}

/* ---- health ---- */

static bool has_health(const ContainerOptions *options)
{
	return options->health_cmd || options->health_interval || options->health_timeout || options->health_retries ||
	       options->health_start_period || options->health_start_interval;
}

static void write_health_test(Writer *writer, const ContainerOptions *options)
{
	if (!options->no_healthcheck && string_empty(options->health_cmd))
		return;
	write_array(writer, "Test");
	write_string(writer, NULL, options->no_healthcheck ? "NONE" : "CMD-SHELL");
	if (!options->no_healthcheck)
		write_string(writer, NULL, options->health_cmd);
	write_array_end(writer);
}

static fallible write_health(Writer *writer, const ContainerOptions *options)
{
	if (options->no_healthcheck && has_health(options))
		return error_new(ERROR_INVALID, "option \"--no-healthcheck\" excludes the options \"--health-...\"");
	if (!options->no_healthcheck && !has_health(options))
		return NULL;
	write_object(writer, "Healthcheck");
	write_health_test(writer, options);
	write_int(writer, "Interval", options->health_interval);
	write_int(writer, "Timeout", options->health_timeout);
	write_int(writer, "StartPeriod", options->health_start_period);
	write_int(writer, "StartInterval", options->health_start_interval);
	write_int(writer, "Retries", options->health_retries);
	write_object_end(writer);
	return NULL;
}

/* ---- storage ---- */

static fallible write_binds(Writer *writer, const StringList *volumes)
{
	autoclear(StringList) binds = {0};

	for (size_t i = 0; i < volumes->count; i++) {
		char *bind = NULL;
		TRY(volume_option_parse(&bind, volumes->items[i]));
		if (bind)
			strings_take(&binds, bind);
	}
	if (binds.count > 0)
		write_strings(writer, "Binds", &binds);
	return NULL;
}

/* Those of -v without a source. They are checked when the binds are written. */
static void write_anonymous_volumes(Writer *writer, const StringList *volumes)
{
	bool open = false;

	for (size_t i = 0; i < volumes->count; i++) {
		if (strchr(volumes->items[i], ':'))
			continue;
		if (!open)
			write_object(writer, "Volumes");
		open = true;
		write_raw(writer, volumes->items[i], "{}");
	}
	if (open)
		write_object_end(writer);
}

static fallible write_mounts(Writer *writer, const StringList *mounts)
{
	if (mounts->count == 0)
		return NULL;
	write_array(writer, "Mounts");
	for (size_t i = 0; i < mounts->count; i++)
		TRY(mount_option_write(writer, mounts->items[i]));
	write_array_end(writer);
	return NULL;
}

/* ---- isolation ---- */

static bool is_profile_file(const char *option)
{
	const char *value = option + strlen("seccomp=");

	return (string_starts(option, "seccomp=") || string_starts(option, "seccomp:")) &&
	       !string_equal(value, "unconfined") && !string_equal(value, "builtin");
}

/* A profile is read here: the daemon may not see our files. */
static fallible read_profile(char **ret, const char *path)
{
	autoclear(Buffer) option = {0};

	buffer_add_text(&option, "seccomp=");
	TRY(value_copy_file(&option, path, PROFILE_MAX));
	*ret = buffer_steal(&option);
	return NULL;
}

/* systempaths=unconfined is the client's word for empty lists. */
static fallible write_security(Writer *writer, const StringList *words)
{
	autoclear(StringList) options = {0};

	for (size_t i = 0; i < words->count; i++) {
		const char *word = words->items[i];
		char *profile = NULL;
		if (string_equal(word, "systempaths=unconfined")) {
			write_raw(writer, "MaskedPaths", "[]");
			write_raw(writer, "ReadonlyPaths", "[]");
			continue;
		}
		if (is_profile_file(word))
			TRY_WRAP(read_profile(&profile, word + strlen("seccomp=")), "option \"--security-opt\"");
		strings_take(&options, profile ? profile : mem_strdup(word));
	}
	if (options.count > 0)
		write_strings(writer, "SecurityOpt", &options);
	return NULL;
}

static fallible write_device(Writer *writer, const char *text)
{
	autoclear(DeviceWord) word = {0};

	if (device_word_is_cdi(text))
		return NULL; /* is requested, not made: gpus_option.c */
	TRY_WRAP(device_word_parse(&word, text), "option \"--device\"");
	write_object(writer, NULL);
	write_string(writer, "PathOnHost", word.path);
	write_string(writer, "PathInContainer", word.target);
	write_string(writer, "CgroupPermissions", word.permissions);
	write_object_end(writer);
	return NULL;
}

static fallible write_extra_hosts(Writer *writer, const StringList *words)
{
	autoclear(StringList) hosts = {0};

	for (size_t i = 0; i < words->count; i++) {
		char *host;
		TRY_WRAP(host_word_parse(&host, words->items[i]), "option \"--add-host\"");
		strings_take(&hosts, host);
	}
	if (hosts.count > 0)
		write_strings(writer, "ExtraHosts", &hosts);
	return NULL;
}

/* ---- limits ---- */

static fallible write_ulimit(Writer *writer, const char *word)
{
	autofree char *name = NULL;
	int64_t soft, hard;

	TRY_WRAP(ulimit_word_parse(&name, &soft, &hard, word), "option \"--ulimit\"");
	write_object(writer, NULL);
	write_string(writer, "Name", name);
	write_int(writer, "Soft", soft);
	write_int(writer, "Hard", hard);
	write_object_end(writer);
	return NULL;
}

static fallible write_rate(Writer *writer, const char *option, const char *word, const char *key, bool takes_units)
{
	autofree char *path = NULL;
	int64_t rate;

	TRY_WRAP(rate_word_parse(&path, &rate, word, takes_units), "option \"--%s\"", option);
	write_object(writer, NULL);
	write_string(writer, "Path", path);
	write_int(writer, key, rate);
	write_object_end(writer);
	return NULL;
}

static const struct {
	const char *option, *field, *key;
	size_t offset;
	bool takes_units;
} rates[] = {
	{"blkio-weight-device", "BlkioWeightDevice", "Weight", AT(blkio_weight_devices), false},
	{"device-read-bps", "BlkioDeviceReadBps", "Rate", AT(device_read_bps), true},
	{"device-write-bps", "BlkioDeviceWriteBps", "Rate", AT(device_write_bps), true},
	{"device-read-iops", "BlkioDeviceReadIOps", "Rate", AT(device_read_iops), false},
	{"device-write-iops", "BlkioDeviceWriteIOps", "Rate", AT(device_write_iops), false},
};

static fallible write_rates(Writer *writer, const ContainerOptions *options)
{
	for (size_t i = 0; i < sizeof(rates) / sizeof(rates[0]); i++) {
		const StringList *words = (const StringList *)((const char *)options + rates[i].offset);
		if (words->count == 0)
			continue;
		write_array(writer, rates[i].field);
		for (size_t j = 0; j < words->count; j++)
			TRY(write_rate(writer, rates[i].option, words->items[j], rates[i].key, rates[i].takes_units));
		write_array_end(writer);
	}
	return NULL;
}

/* An array of objects, each made of one word. */
static fallible write_each(
	Writer *writer, const char *key, const StringList *words, Error *(*write)(Writer *writer, const char *word))
{
	if (words->count == 0)
		return NULL;
	write_array(writer, key);
	for (size_t i = 0; i < words->count; i++)
		TRY(write(writer, words->items[i]));
	write_array_end(writer);
	return NULL;
}

/* ---- life ---- */

/* "on-failure:3" */
static fallible write_restart(Writer *writer, const char *policy)
{
	const char *colon = policy ? strchr(policy, ':') : NULL;
	int64_t max = 0;

	if (!policy)
		return NULL;
	if (colon)
		TRY_WRAP(string_to_int64(&max, colon + 1, 0, INT32_MAX), "option \"--restart\": \"%s\"", policy);
	write_object(writer, "RestartPolicy");
	write_string_n(writer, "Name", policy, colon ? (size_t)(colon - policy) : strlen(policy));
	write_int(writer, "MaximumRetryCount", max);
	write_object_end(writer);
	return NULL;
}

static fallible write_log_config(Writer *writer, const ContainerOptions *options)
{
	if (!options->log_driver && options->log_options.count == 0)
		return NULL;
	write_object(writer, "LogConfig");
	write_string(writer, "Type", options->log_driver);
	TRY(pairs_write(writer, "Config", &options->log_options, "log-opt", true));
	write_object_end(writer);
	return NULL;
}

/* ---- the whole ---- */

static fallible write_limits(Writer *writer, const ContainerOptions *options)
{
	fields_write_members(limit_fields, options, writer);
	write_given(writer, "PidsLimit", options->pids_limit);
	return write_restart(writer, options->restart);
}

static fallible write_host_config(
	Writer *writer, const ContainerOptions *options, const AskedPorts *ports, const char *network_mode)
{
	write_object(writer, "HostConfig");
	fields_write_members(host_fields, options, writer);
	if (network_mode)
		write_string(writer, "NetworkMode", network_mode);
	if (ports->bindings)
		write_value(writer, "PortBindings", ports->bindings);
	TRY(write_limits(writer, options));
	write_given(writer, "MemorySwappiness", options->memory_swappiness);
	TRY(write_binds(writer, &options->volumes));
	TRY(write_mounts(writer, &options->mounts));
	write_tmpfs(writer, &options->tmpfs);
	TRY(write_security(writer, &options->security_opt));
	TRY(write_each(writer, "Devices", &options->devices, write_device));
	TRY(device_requests_write(writer, &options->gpus, &options->devices));
	TRY(write_each(writer, "Ulimits", &options->ulimits, write_ulimit));
	TRY(write_extra_hosts(writer, &options->add_hosts));
	TRY(pairs_write(writer, "Sysctls", &options->sysctls, "sysctl", true));
	TRY(pairs_write(writer, "Annotations", &options->annotations, "annotation", true));
	TRY(write_rates(writer, options));
	TRY(write_log_config(writer, options));
	write_console_size(writer, options);
	write_object_end(writer);
	return NULL;
}

static fallible write_body(Writer *writer, const ContainerOptions *options, const StringList *arguments)
{
	autoclear(AskedPorts) ports = {0};
	autoclear(NetworkOptions) networks = {0};

	TRY(asked_ports_read(&ports, &options->expose, &options->publish));
	TRY(network_options_read(&networks, options));
	write_object(writer, NULL);
	write_command(writer, options, arguments);
	fields_write_members(config_fields, options, writer);
	write_given(writer, "StopTimeout", options->stop_timeout_s);
	TRY(check_attach(options));
	write_streams(writer, options);
	TRY(write_env(writer, options));
	TRY(write_labels(writer, options));
	if (ports.exposed)
		write_value(writer, "ExposedPorts", ports.exposed);
	if (options->mac_address)
		write_string(writer, "MacAddress", options->mac_address);
	TRY(write_health(writer, options));
	write_anonymous_volumes(writer, &options->volumes);
	TRY(write_host_config(writer, options, &ports, network_options_mode(&networks)));
	network_options_write(writer, &networks);
	write_object_end(writer);
	return NULL;
}

fallible container_body(Buffer *out, const ContainerOptions *options, const StringList *arguments)
{
	Writer writer;

	writer_init(&writer, out);
	return write_body(&writer, options, arguments);
}

fallible container_update_body(Buffer *out, const ContainerOptions *options)
{
	Writer writer;

	writer_init(&writer, out);
	write_object(&writer, NULL);
	TRY(write_limits(&writer, options));
	write_object_end(&writer);
	return NULL;
}

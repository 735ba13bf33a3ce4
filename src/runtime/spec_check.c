// SPDX-License-Identifier: Apache-2.0
#include <arpa/inet.h>
#include <ctype.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/memory.h"
#include "base/process.h"
#include "runtime/capability.h"
#include "runtime/device_requests.h"
#include "runtime/seccomp_file.h"
#include "runtime/spec_words.h"
#include "telemetry/options.h"

enum { HOSTNAME_MAX = 64, USER_MAX = 256 };

static fallible bad(const char *field, const char *reason)
{
	return error_new(ERROR_INVALID, "field \"%s\" %s", field, reason);
}

/* ---- numbers ---- */

#define MEBI (INT64_C(1) << 20)

/* 0 always means "not set". */
static const struct NumberRule {
	const char *name;
	size_t offset;
	int64_t min, max;
	const char *reason;
} number_rules[] = {
	{"memory", offsetof(ContainerSpec, memory), 6 * MEBI, INT64_MAX, "must be at least 6 MiB"},
	{"memoryReservation", offsetof(ContainerSpec, memory_reservation), 6 * MEBI, INT64_MAX,
		"must be at least 6 MiB"},
	{"memorySwap", offsetof(ContainerSpec, memory_swap), -1, INT64_MAX, "must be -1 (no limit) or more"},
	{"shmSize", offsetof(ContainerSpec, shm_size), 1, INT64_MAX, "must not be negative"},
	{"nanoCpus", offsetof(ContainerSpec, nano_cpus), 10000000, INT64_MAX, "must be at least 0.01 CPUs"},
	{"cpuShares", offsetof(ContainerSpec, cpu_shares), 2, 262144, "must be between 2 and 262144"},
	{"cpuPeriod", offsetof(ContainerSpec, cpu_period), 1000, 1000000,
		"must be between 1000 and 1000000 microseconds"},
	{"cpuQuota", offsetof(ContainerSpec, cpu_quota), 1000, INT64_MAX, "must be at least 1000 microseconds"},
	{"pidsLimit", offsetof(ContainerSpec, pids_limit), -1, 4194304, "must be between -1 (no limit) and 4194304"},
	{"blkioWeight", offsetof(ContainerSpec, blkio_weight), 10, 1000, "must be between 10 and 1000"},
	{"memorySwappiness", offsetof(ContainerSpec, memory_swappiness), -1, 100, "must be between 0 and 100, or -1"},
	{"oomScoreAdj", offsetof(ContainerSpec, oom_score_adj), -1000, 1000, "must be between -1000 and 1000"},
	{"restartMax", offsetof(ContainerSpec, restart_max), 1, INT32_MAX, "must not be negative"},
	{"stopTimeout", offsetof(ContainerSpec, stop_timeout_s), -1, INT32_MAX, "must be -1 (default) or more seconds"},
};

static fallible check_numbers(const ContainerSpec *spec)
{
	for (size_t i = 0; i < COUNT(number_rules); i++) {
		const struct NumberRule *rule = &number_rules[i];
		int64_t number = *(const int64_t *)((const char *)spec + rule->offset);
		if (number && (number < rule->min || number > rule->max))
			return bad(rule->name, rule->reason);
	}
	return NULL;
}

static fallible check_memory(const ContainerSpec *spec)
{
	if (spec->memory && spec->memory_reservation > spec->memory)
		return bad("memoryReservation", "must not be larger than field \"memory\"");
	if (spec->memory_swap && !spec->memory && spec->memory_swap != -1)
		return bad("memorySwap", "needs field \"memory\": it is the sum of both");
	if (spec->memory_swap > 0 && spec->memory_swap < spec->memory)
		return bad("memorySwap", "must not be smaller than field \"memory\": it is the sum of both");
	return NULL;
}

static fallible check_cpus(const ContainerSpec *spec)
{
	int64_t here = sysconf(_SC_NPROCESSORS_CONF);

	if (spec->nano_cpus > here * NANOS_PER_SECOND)
		return error_new(
			ERROR_INVALID, "field \"nanoCpus\" must not be more than the %d CPUs of this host", (int)here);
	if (spec->nano_cpus && (spec->cpu_period || spec->cpu_quota))
		return bad("nanoCpus", "cannot be set together with \"cpuPeriod\" or \"cpuQuota\"");
	return NULL;
}

/* "0-3,7": numbers below count. Source: cpuset(7), list format. */
static fallible check_cpuset(const char *field, const char *text, int64_t count)
{
	for (const char *at = text; !string_empty(at); at += *at == ',') {
		char *end;
		long first = strtol(at, &end, 10), last = first;
		bool is_bad = !isdigit((unsigned char)*at);
		if (!is_bad && *end == '-') {
			at = end + 1;
			is_bad = !isdigit((unsigned char)*at);
			last = strtol(at, &end, 10);
		}
		if (is_bad || last < first || (*end && *end != ',') || (*end == ',' && !end[1]))
			return error_new(ERROR_INVALID, "field \"%s\": \"%s\" is not a list like 0-2,4", field, text);
		if (count && last >= count)
			return error_new(ERROR_INVALID, "field \"%s\": %ld is not there, the last one is %d", field,
				last, (int)count - 1);
		at = end;
	}
	return NULL;
}

static fallible check_rate(const RateSpec *rate, RateKind kind)
{
	if (string_empty(rate->path) || rate->path[0] != '/')
		return error_new(ERROR_INVALID, "field \"path\" must be an absolute path");
	if (kind == RATE_WEIGHT && (rate->rate < 10 || rate->rate > 1000))
		return error_new(ERROR_INVALID, "device \"%s\": its weight must be between 10 and 1000", rate->path);
	if (rate->rate < 1)
		return error_new(ERROR_INVALID, "device \"%s\": its rate must be at least 1", rate->path);
	return NULL;
}

static fallible check_rates(const ContainerSpec *spec)
{
	for (RateKind kind = 0; kind < RATE_KINDS; kind++)
		for (size_t i = 0; i < spec->rates[kind].count; i++)
			TRY_WRAP(check_rate((const RateSpec *)spec->rates[kind].items + i, kind), "limits by device");
	return NULL;
}

fallible spec_check_limits(const ContainerSpec *spec)
{
	TRY(check_numbers(spec));
	TRY(check_rates(spec));
	TRY(check_memory(spec));
	TRY(check_cpus(spec));
	TRY(check_cpuset("cpusetCpus", spec->cpuset_cpus, sysconf(_SC_NPROCESSORS_CONF)));
	return check_cpuset("cpusetMems", spec->cpuset_mems, 0);
}

/* ---- what is run ---- */

static bool has_control_character(const char *text)
{
	for (; *text; text++)
		if ((unsigned char)*text < ' ' || *text == 0x7f)
			return true;
	return false;
}

static fallible check_env(const ContainerSpec *spec)
{
	for (size_t i = 0; i < spec->env.count; i++)
		if (!spec->env.items[i][0] || spec->env.items[i][0] == '=')
			return bad("env", "holds a variable without a name"); /* its value may be a secret */
	return NULL;
}

static fallible check_hostname(const char *field, const char *name)
{
	if (string_empty(name))
		return NULL;
	if (strlen(name) > HOSTNAME_MAX)
		return bad(field, "must not be longer than 64 characters");
	for (const char *at = name; *at; at++)
		if (!isalnum((unsigned char)*at) && !strchr("-._", *at))
			return error_new(ERROR_INVALID, "field \"%s\": \"%s\" is not a host name", field, name);
	return NULL;
}

static fallible check_process(const ContainerSpec *spec)
{
	if (string_empty(spec->image))
		return bad("image", "is missing");
	if (!spec->entrypoint.count && !spec->command.count)
		return error_new(ERROR_INVALID, "no command specified: neither the caller nor the image gives one");
	if (string_empty(spec->entrypoint.count ? spec->entrypoint.items[0] : spec->command.items[0]))
		return bad(spec->entrypoint.count ? "entrypoint" : "command", "must not begin with an empty word");
	if (!string_empty(spec->workdir) && spec->workdir[0] != '/')
		return error_new(ERROR_INVALID, "field \"workdir\": \"%s\" must be an absolute path", spec->workdir);
	if (spec->user && (strlen(spec->user) > USER_MAX || has_control_character(spec->user)))
		return bad("user", "is not a user's name or number");
	TRY(check_env(spec));
	TRY(check_hostname("hostname", spec->hostname));
	return check_hostname("domainname", spec->domainname);
}

/* ---- storage ---- */

static const MountSpec *mount_at(const ContainerSpec *spec, size_t i)
{
	return (const MountSpec *)spec->mounts.items + i;
}

static bool has_dot_dot(const char *path)
{
	for (const char *at = strstr(path, ".."); at; at = strstr(at + 1, ".."))
		if ((at == path || at[-1] == '/') && (!at[2] || at[2] == '/'))
			return true;
	return false;
}

static fallible check_target(const char *target)
{
	if (string_empty(target))
		return error_new(ERROR_INVALID, "field \"target\" is missing");
	if (target[0] != '/')
		return error_new(ERROR_INVALID, "field \"target\": \"%s\" must be an absolute path", target);
	if (strlen(target) >= PATH_MAX || has_dot_dot(target))
		return error_new(ERROR_INVALID, "field \"target\": \"%s\" is not a plain path", target);
	if (!target[strspn(target, "/")])
		return error_new(ERROR_INVALID, "field \"target\" must not be \"/\"");
	return NULL;
}

/* Docker's words. */
static fallible check_subpath(const MountSpec *mount)
{
	if (mount->subpath && (mount->subpath[0] == '/' || has_dot_dot(mount->subpath)))
		return error_new(ERROR_INVALID, "subpath must be a relative path within the volume");
	return NULL;
}

static fallible check_read_only_below(const MountSpec *mount)
{
	if (mount->read_only_below && !mount->read_only)
		return error_new(
			ERROR_INVALID, "mount options conflict: !ReadOnly && BindOptions.ReadOnlyForceRecursive");
	return NULL;
}

static fallible check_source(const MountSpec *mount)
{
	if (string_empty(mount->source))
		return error_new(ERROR_INVALID, "field \"source\" is missing");
	if (mount->source[0] != '/')
		return error_new(ERROR_INVALID, "field \"source\": \"%s\" must be an absolute path", mount->source);
	if (mount->propagation && *mount->propagation && !spec_is_propagation(mount->propagation))
		return error_new(ERROR_INVALID, "field \"propagation\": \"%s\" is unknown", mount->propagation);
	return check_read_only_below(mount);
}

/* What tmpfs(5) takes, without what would undo nodev and the like behind our back. */
static bool is_tmpfs_option(const char *option)
{
	static const char *const switches[] = {"ro", "rw", "exec", "noexec", "suid", "nosuid", "dev", "nodev", "sync",
		"async", "dirsync", "atime", "noatime", "diratime", "nodiratime", "relatime", "norelatime",
		"strictatime", "nostrictatime", "rprivate", "private", "bind", "rbind"};
	static const char *const values[] = {"size=", "mode=", "uid=", "gid=", "nr_inodes=", "nr_blocks=", "mpol="};

	for (size_t i = 0; i < COUNT(values); i++)
		if (string_starts(option, values[i]) && option[strlen(values[i])])
			return true;
	return names_find(switches, COUNT(switches), option) >= 0;
}

static fallible check_tmpfs(const MountSpec *mount)
{
	autoclear(StringList) options = {0};

	if (!string_empty(mount->source))
		return error_new(ERROR_INVALID, "a tmpfs has no field \"source\"");
	strings_split(&options, mount->options ? mount->options : "", ',');
	for (size_t i = 0; i < options.count; i++)
		if (!is_tmpfs_option(options.items[i]))
			return error_new(ERROR_INVALID, "option \"%s\" is unknown to tmpfs", options.items[i]);
	return NULL;
}

/* Its name and its driver are the engine's to check. */
static fallible check_volume(const MountSpec *mount)
{
	if (mount->propagation || mount->make_source || mount->is_flat || mount->read_only_below)
		return error_new(ERROR_INVALID,
			"invalid mount config for type \"volume\": field BindOptions must not be specified");
	return check_subpath(mount);
}

static fallible check_mount(const MountSpec *mount)
{
	TRY(check_target(mount->target));
	if (mount->kind == MOUNT_TMPFS)
		return check_tmpfs(mount);
	return mount->kind == MOUNT_VOLUME ? check_volume(mount) : check_source(mount);
}

static fallible check_mounts(const ContainerSpec *spec)
{
	for (size_t i = 0; i < spec->mounts.count; i++) {
		const MountSpec *mount = mount_at(spec, i);
		TRY_WRAP(check_mount(mount), "mounts[%zu]", i);
		for (size_t j = 0; j < i; j++)
			if (string_equal(mount_at(spec, j)->target, mount->target))
				return error_new(
					ERROR_INVALID, "mounts[%zu]: target \"%s\" is mounted twice", i, mount->target);
	}
	return NULL;
}

/* ---- isolation ---- */

/* A namespace's mode: words, and "container:ID" where another container's can be joined. */
static const struct ModeRule {
	const char *name;
	size_t offset;
	bool can_join;
	const char *const words[6];
} mode_rules[] = {
	{"networkMode", offsetof(ContainerSpec, network_mode), true, {"default", "bridge", "none", "host"}},
	{"pidMode", offsetof(ContainerSpec, pid_mode), true, {"private", "host"}},
	{"ipcMode", offsetof(ContainerSpec, ipc_mode), true, {"private", "shareable", "none", "host"}},
	{"utsMode", offsetof(ContainerSpec, uts_mode), false, {"private", "host"}},
	{"cgroupnsMode", offsetof(ContainerSpec, cgroupns_mode), false, {"private", "host"}},
};

static bool is_mode(const struct ModeRule *rule, const char *mode)
{
	for (size_t i = 0; rule->words[i]; i++)
		if (strcmp(rule->words[i], mode) == 0)
			return true;
	return false;
}

static fallible check_modes(const ContainerSpec *spec)
{
	for (size_t i = 0; i < COUNT(mode_rules); i++) {
		const struct ModeRule *rule = &mode_rules[i];
		const char *mode = *(char *const *)((const char *)spec + rule->offset);
		if (string_empty(mode) || is_mode(rule, mode))
			continue;
		if (rule->can_join && !string_empty(spec_joined(mode)))
			continue;
		if (i == 0 && !spec_joined(mode))
			continue; /* a network's name, which the engine looks for */
		return error_new(ERROR_INVALID, "field \"%s\": \"%s\" is unknown", rule->name, mode);
	}
	if (spec_is_host(spec->uts_mode) && (!string_empty(spec->hostname) || !string_empty(spec->domainname)))
		return bad("utsMode", "\"host\" cannot be set together with a host or domain name");
	return NULL;
}

/* Kernel settings that belong to a namespace of the container. */
typedef enum SysctlSpace { SYSCTL_NONE, SYSCTL_IPC, SYSCTL_NETWORK } SysctlSpace;

static SysctlSpace sysctl_space(const char *name)
{
	static const char *const of_ipc[] = {"kernel.msgmax", "kernel.msgmnb", "kernel.msgmni", "kernel.sem",
		"kernel.shmall", "kernel.shmmax", "kernel.shmmni", "kernel.shm_rmid_forced"};

	if (names_find(of_ipc, COUNT(of_ipc), name) >= 0 || string_starts(name, "fs.mqueue."))
		return SYSCTL_IPC;
	return string_starts(name, "net.") ? SYSCTL_NETWORK : SYSCTL_NONE;
}

static fallible check_sysctl(const StringPair *sysctl, const char *network_mode, const char *ipc_mode)
{
	SysctlSpace space = sysctl_space(sysctl->key);

	if (space == SYSCTL_NONE || strstr(sysctl->key, "..") || has_control_character(sysctl->key))
		return error_new(ERROR_INVALID, "field \"sysctls\": \"%s\" does not belong to a container's namespaces",
			sysctl->key);
	if (space == SYSCTL_NETWORK && spec_is_host(network_mode))
		return error_new(
			ERROR_INVALID, "field \"sysctls\": \"%s\" cannot be set on the host's network", sysctl->key);
	if (space == SYSCTL_IPC && spec_is_host(ipc_mode))
		return error_new(ERROR_INVALID, "field \"sysctls\": \"%s\" cannot be set in the host's IPC namespace",
			sysctl->key);
	return NULL;
}

fallible spec_check_sysctls(const ContainerSpec *spec, const char *network_mode, const char *ipc_mode)
{
	for (size_t i = 0; i < spec->sysctls.count; i++)
		TRY(check_sysctl(&spec->sysctls.items[i], network_mode, ipc_mode));
	return NULL;
}

static fallible check_ulimit(const UlimitSpec *limit)
{
	if (spec_rlimit(limit->name) < 0)
		return error_new(ERROR_INVALID, "field \"ulimits\": \"%s\" is unknown", limit->name ? limit->name : "");
	if (limit->soft < -1 || limit->hard < -1)
		return error_new(ERROR_INVALID, "field \"ulimits\": %s must be -1 (no limit) or more", limit->name);
	if (limit->hard != -1 && (limit->soft == -1 || limit->soft > limit->hard))
		return error_new(ERROR_INVALID, "field \"ulimits\": %s: the soft limit must not be above the hard one",
			limit->name);
	return NULL;
}

static fallible check_device(const DeviceSpec *device)
{
	const char *permissions = device->permissions ? device->permissions : "rwm";

	if (string_empty(device->host_path) || device->host_path[0] != '/')
		return error_new(ERROR_INVALID, "field \"hostPath\" must be an absolute path");
	if (string_empty(device->container_path) || device->container_path[0] != '/' ||
		has_dot_dot(device->container_path))
		return error_new(ERROR_INVALID, "field \"containerPath\" must be an absolute path");
	if (!*permissions || strlen(permissions) > 3 || permissions[strspn(permissions, "rwm")])
		return error_new(ERROR_INVALID, "field \"permissions\": \"%s\" is not made of r, w and m", permissions);
	return NULL;
}

/* "c 188:* rmw". Source: kernel Documentation/admin-guide/cgroup-v1/devices.rst. */
static bool is_device_rule(const char *rule)
{
	char type, major[8], minor[8], access[4];
	int length = 0;

	if (sscanf(rule, "%c %7[0-9*]:%7[0-9*] %3[rwm]%n", &type, major, minor, access, &length) != 4 || rule[length])
		return false;
	return strchr("acb", type) && (!strchr(major, '*') || !major[1]) && (!strchr(minor, '*') || !minor[1]);
}

static fallible check_device_rules(const StringList *rules)
{
	for (size_t i = 0; i < rules->count; i++)
		if (!is_device_rule(rules->items[i]))
			return error_new(ERROR_INVALID,
				"field \"deviceCgroupRules\": \"%s\" is not of the form \"c 188:* rwm\"",
				rules->items[i]);
	return NULL;
}

static fallible check_paths(const char *field, const StringList *paths)
{
	for (size_t i = 0; i < paths->count; i++)
		if (paths->items[i][0] != '/' || has_dot_dot(paths->items[i]))
			return error_new(
				ERROR_INVALID, "field \"%s\": \"%s\" must be an absolute path", field, paths->items[i]);
	return NULL;
}

static fallible check_cgroup_parent(const char *parent)
{
	if (string_empty(parent))
		return NULL;
	if (strlen(parent) >= PATH_MAX / 2 || has_dot_dot(parent) || has_control_character(parent))
		return error_new(ERROR_INVALID, "field \"cgroupParent\": \"%.300s\" is not a plain path", parent);
	if (string_ends(parent, ".slice"))
		return error_new(ERROR_UNSUPPORTED,
			"field \"cgroupParent\": \"%s\": slices of systemd are not supported, give a path", parent);
	return NULL;
}

static fallible check_seccomp(const SecurityChoice *security, uint64_t capabilities)
{
	autoclear(Buffer) converted = {0};

	if (security->seccomp_profile)
		TRY_WRAP(seccomp_file_convert(&converted, security->seccomp_profile, capabilities),
			"field \"securityOptions\"");
	return NULL;
}

static fallible check_isolation(const ContainerSpec *spec)
{
	uint64_t capabilities;
	SecurityChoice security;

	TRY(check_modes(spec));
	TRY(capability_set(&capabilities, &spec->cap_add, &spec->cap_drop, spec->privileged));
	TRY(spec_read_security(&security, spec));
	TRY(check_seccomp(&security, capabilities));
	TRY(spec_check_sysctls(spec, spec->network_mode, spec->ipc_mode));
	for (size_t i = 0; i < spec->ulimits.count; i++)
		TRY(check_ulimit((const UlimitSpec *)spec->ulimits.items + i));
	for (size_t i = 0; i < spec->devices.count; i++)
		TRY_WRAP(check_device((const DeviceSpec *)spec->devices.items + i), "devices[%zu]", i);
	for (size_t i = 0; i < spec->device_requests.count; i++)
		TRY_WRAP(device_request_check((const DeviceRequest *)spec->device_requests.items + i),
			"deviceRequests[%zu]", i);
	TRY(check_device_rules(&spec->device_rules));
	TRY(check_paths("maskedPaths", &spec->masked_paths));
	TRY(check_paths("readonlyPaths", &spec->read_only_paths));
	if (!string_empty(spec->userns_mode) && !spec_is_host(spec->userns_mode))
		return error_new(ERROR_UNSUPPORTED,
			"field \"usernsMode\": \"%s\": user namespaces are not supported yet", spec->userns_mode);
	return check_cgroup_parent(spec->cgroup_parent);
}

/* ---- names in the container ---- */

bool spec_is_address(const char *text)
{
	unsigned char address[sizeof(struct in6_addr)];

	return inet_pton(AF_INET, text, address) == 1 || inet_pton(AF_INET6, text, address) == 1;
}

static fallible check_extra_host(const char *entry)
{
	const char *address = strchr(entry, ':');

	if (!address || address == entry || strcspn(entry, " ") < strlen(entry) || has_control_character(entry))
		return error_new(ERROR_INVALID, "field \"extraHosts\": \"%s\" is not of the form name:address", entry);
	if (strcmp(address + 1, "host-gateway") == 0)
		return NULL; /* whether there is one is the engine's to know */
	if (!spec_is_address(address + 1))
		return error_new(ERROR_INVALID, "field \"extraHosts\": \"%s\" is not an address", address + 1);
	return NULL;
}

static fallible check_resolver(const char *field, const StringList *words)
{
	for (size_t i = 0; i < words->count; i++)
		if (!words->items[i][0] || has_control_character(words->items[i]) || strchr(words->items[i], ' '))
			return error_new(ERROR_INVALID, "field \"%s\": \"%s\" is not one word", field, words->items[i]);
	return NULL;
}

static fallible check_names(const ContainerSpec *spec)
{
	for (size_t i = 0; i < spec->extra_hosts.count; i++)
		TRY(check_extra_host(spec->extra_hosts.items[i]));
	for (size_t i = 0; i < spec->dns.count; i++)
		if (!spec_is_address(spec->dns.items[i]))
			return error_new(ERROR_INVALID, "field \"dns\": \"%s\" is not an address", spec->dns.items[i]);
	TRY(check_resolver("dnsSearch", &spec->dns_search));
	return check_resolver("dnsOptions", &spec->dns_options);
}

/* ---- life ---- */

static fallible check_health_times(const HealthCheck *health)
{
	const struct {
		const char *name;
		int64_t ns;
	} times[] = {
		{"interval", health->interval_ns},
		{"timeout", health->timeout_ns},
		{"startPeriod", health->start_period_ns},
		{"startInterval", health->start_interval_ns},
	};

	for (size_t i = 0; i < COUNT(times); i++)
		if (times[i].ns && times[i].ns < NANOS_PER_MILLI)
			return error_new(ERROR_INVALID, "field \"health\": %s must be at least 1 ms", times[i].name);
	if (health->retries < 0 || health->retries > INT32_MAX)
		return bad("health", "has a negative number of retries");
	return NULL;
}

static fallible check_health(const HealthCheck *health)
{
	static const char *const kinds[] = {"NONE", "CMD", "CMD-SHELL"};

	TRY(check_health_times(health));
	if (!health->test.count)
		return NULL;
	int kind = names_find(kinds, COUNT(kinds), health->test.items[0]);
	if (kind < 0)
		return error_new(ERROR_INVALID,
			"field \"health\": test must begin with NONE, CMD or CMD-SHELL, not \"%s\"",
			health->test.items[0]);
	if (kind > 0 && health->test.count < 2)
		return bad("health", "has a test without command");
	return NULL;
}

fallible spec_check_log(const char *driver, const StringMap *options)
{
	TRY_WRAP(log_options_check(driver, options), "field \"log%s\"",
		log_driver_is_known(driver) ? "Options" : "Driver");
	return NULL;
}

static fallible check_life(const ContainerSpec *spec)
{
	static const char *const reactions[] = {"none", "kill", "restart", "stop"};
	int signal;

	if (spec->restart_policy < 0 || spec->restart_policy >= RESTART_POLICIES)
		return bad("restartPolicy", "is unknown");
	if (spec->restart_max && spec->restart_policy != RESTART_ON_FAILURE)
		return bad("restartMax", "goes with restart policy \"on-failure\" alone");
	if (spec->auto_remove && spec->restart_policy != RESTART_NO)
		return bad("autoRemove", "cannot be set together with a restart policy");
	if (!string_empty(spec->stop_signal))
		TRY_WRAP(signal_parse(&signal, spec->stop_signal), "field \"stopSignal\"");
	if (!string_empty(spec->health_on_failure) &&
		names_find(reactions, COUNT(reactions), spec->health_on_failure) < 0)
		return error_new(ERROR_INVALID,
			"field \"healthOnFailure\": \"%s\" is none of none, kill, restart, stop",
			spec->health_on_failure);
	TRY(check_health(&spec->health));
	return spec_check_log(spec->log_driver, &spec->log_options);
}

fallible container_spec_check(const ContainerSpec *spec)
{
	TRY(check_process(spec));
	TRY(spec_check_limits(spec));
	TRY(check_mounts(spec));
	TRY(check_isolation(spec));
	TRY(check_names(spec));
	return check_life(spec);
}

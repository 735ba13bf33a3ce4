// SPDX-License-Identifier: Apache-2.0
/* /info: what `docker info`, Telegraf and cAdvisor show of the device. */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/statfs.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/files.h"
#include "docker/internal.h"
#include "docker/machine.h"
#include "engine/event.h"
#include "engine/firewall.h"
#include "telemetry/options.h"

/* ---- parts ---- */

static void write_counts(Writer *writer, const EngineInfo *info)
{
	write_int(writer, "Containers", info->containers);
	write_int(writer, "ContainersRunning", info->running);
	write_int(writer, "ContainersPaused", info->paused);
	write_int(writer, "ContainersStopped", info->stopped);
	write_int(writer, "Images", info->images);
}

static const char *filesystem_name(const char *path)
{
	static const struct {
		unsigned long magic;
		const char *name;
	} names[] = {
		{0xef53, "extfs"},
		{0x58465342, "xfs"},
		{0x9123683e, "btrfs"},
		{0xf2f52010, "f2fs"},
		{0x01021994, "tmpfs"},
		{0x24051905, "ubifs"},
	};
	struct statfs found;

	if (statfs(path, &found) == 0)
		for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
			if (names[i].magic == (unsigned long)found.f_type)
				return names[i].name;
	return "unknown";
}

static void write_pair(Writer *writer, const char *name, const char *value)
{
	write_array(writer, NULL);
	write_string(writer, NULL, name);
	write_string(writer, NULL, value);
	write_array_end(writer);
}

static void write_driver(Writer *writer, const EngineConfig *config)
{
	write_string(writer, "Driver", "overlayfs");
	write_array(writer, "DriverStatus");
	write_pair(writer, "Backing Filesystem", filesystem_name(config->root));
	write_pair(writer, "Supports d_type", "true");
	write_array_end(writer);
}

static void write_words(Writer *writer, const char *key, const char *const *words)
{
	write_array(writer, key);
	for (; *words; words++)
		write_string(writer, NULL, *words);
	write_array_end(writer);
}

static void write_plugins(Writer *writer)
{
	static const char *const networks[] = {"bridge", "cni", "host", "ipvlan", "macvlan", "null", NULL};
	static const char *const volumes[] = {"local", NULL};

	write_object(writer, "Plugins");
	write_words(writer, "Volume", volumes);
	write_words(writer, "Network", networks);
	write_null(writer, "Authorization");
	write_array(writer, "Log");
	for (size_t i = 0; log_driver_name(i); i++)
		write_string(writer, NULL, log_driver_name(i));
	write_array_end(writer);
	write_object_end(writer);
}

static void write_limits(Writer *writer, const EngineInfo *info, int version)
{
	write_bool(writer, "MemoryLimit", info->has_memory_limit);
	write_bool(writer, "SwapLimit", info->has_memory_limit && file_exists(AT_FDCWD, "/proc/swaps"));
	if (version < 42) {
		write_bool(writer, "KernelMemory", false);
		write_bool(writer, "KernelMemoryTCP", false);
	}
	write_bool(writer, "CpuCfsPeriod", info->has_cpu_quota);
	write_bool(writer, "CpuCfsQuota", info->has_cpu_quota);
	write_bool(writer, "CPUShares", info->has_cpu_quota);
	write_bool(writer, "CPUSet", info->has_cpu_quota);
	write_bool(writer, "PidsLimit", info->has_pids_limit);
	write_bool(writer, "OomKillDisable", info->has_memory_limit && !info->cgroup_v2);
}

static bool forwards(const char *path)
{
	autofree char *text = NULL;
	Error *error = file_read(&text, NULL, AT_FDCWD, path, 16);

	error_free(error); /* without the file nothing is forwarded */
	return text && *text == '1';
}

/* Of containers whose log driver sends their logs; Docker has no word for it. */
static int64_t dropped_log_lines(Engine *engine)
{
	autofree Container **containers = NULL;
	size_t count = container_list(&containers, engine);
	ContainerForwarding forwarding;
	int64_t sum = 0;

	for (size_t i = 0; i < count; i++)
		sum += container_forwarding(containers[i], &forwarding) ? forwarding.place.dropped : 0;
	return sum;
}

static void write_process(Writer *writer, Engine *engine, const EngineInfo *info)
{
	const EngineConfig *config = engine_config(engine);
	char now[CLOCK_TEXT_MAX];

	clock_format(now, clock_wall_ns());
	write_bool(writer, "IPv4Forwarding", forwards("/proc/sys/net/ipv4/ip_forward"));
	write_bool(writer, "BridgeNfIptables", forwards("/proc/sys/net/bridge/bridge-nf-call-iptables"));
	write_bool(writer, "BridgeNfIp6tables", forwards("/proc/sys/net/bridge/bridge-nf-call-ip6tables"));
	write_bool(writer, "Debug", false);
	write_int(writer, "NFd", machine_open_files());
	write_int(writer, "NGoroutines", 1); /* one thread: monitors graph it */
	write_string(writer, "SystemTime", now);
	write_string(writer, "LoggingDriver", config->log_driver);
	write_int(writer, "LogLinesDropped", dropped_log_lines(engine));
	write_string(writer, "CgroupDriver", "cgroupfs");
	write_string(writer, "CgroupVersion", info->cgroup_v2 ? "2" : "1");
	write_int(writer, "NEventsListener", (int64_t)events_listeners(engine));
}

static void write_host(Writer *writer)
{
	struct utsname host;

	uname(&host);
	write_string(writer, "KernelVersion", host.release);
	write_string(writer, "OperatingSystem", machine_system());
	write_string(writer, "OSVersion", machine_system_version());
	write_string(writer, "OSType", "linux");
	write_string(writer, "Architecture", host.machine);
	write_int(writer, "NCPU", get_nprocs());
	write_int(writer, "MemTotal", machine_memory());
	write_string(writer, "Name", host.nodename);
}

static void write_registry(Writer *writer, const EngineConfig *config)
{
	static const char *const local[] = {"127.0.0.0/8", NULL};

	write_string(writer, "IndexServerAddress", "https://index.docker.io/v1/");
	write_object(writer, "RegistryConfig");
	write_array(writer, "AllowNondistributableArtifactsCIDRs");
	write_array_end(writer);
	write_array(writer, "AllowNondistributableArtifactsHostnames");
	write_array_end(writer);
	write_words(writer, "InsecureRegistryCIDRs", local);
	write_object(writer, "IndexConfigs");
	write_object(writer, "docker.io");
	write_string(writer, "Name", "docker.io");
	write_array(writer, "Mirrors");
	write_array_end(writer);
	write_bool(writer, "Secure", true);
	write_bool(writer, "Official", true);
	write_object_end(writer);
	for (size_t i = 0; i < config->insecure_registries.count; i++) {
		write_object(writer, config->insecure_registries.items[i]);
		write_string(writer, "Name", config->insecure_registries.items[i]);
		write_array(writer, "Mirrors");
		write_array_end(writer);
		write_bool(writer, "Secure", false);
		write_bool(writer, "Official", false);
		write_object_end(writer);
	}
	write_object_end(writer);
	write_array(writer, "Mirrors");
	write_array_end(writer);
	write_object_end(writer);
}

static void write_commit(Writer *writer, const char *key, const char *id)
{
	write_object(writer, key);
	write_string(writer, "ID", id);
	write_string(writer, "Expected", id);
	write_object_end(writer);
}

static void write_runtimes(Writer *writer, const EngineInfo *info)
{
	write_object(writer, "Runtimes");
	for (size_t i = 0; i < info->runtimes.count; i++) {
		autoclear(StringList) words = {0};
		strings_split(&words, info->runtimes.items[i].value, ' ');
		write_object(writer, info->runtimes.items[i].key);
		write_string(writer, "path", words.items[0]);
		strings_remove(&words, 0);
		if (words.count)
			write_strings(writer, "runtimeArgs", &words);
		write_object_end(writer);
	}
	write_object_end(writer);
	write_string(writer, "DefaultRuntime", info->default_runtime);
	write_commit(writer, "ContainerdCommit", "");
	write_commit(writer, "RuncCommit", info->runtime_version ? info->runtime_version : "");
	write_commit(writer, "InitCommit", "");
}

static void write_swarm(Writer *writer)
{
	write_object(writer, "Swarm");
	write_string(writer, "NodeID", "");
	write_string(writer, "NodeAddr", "");
	write_string(writer, "LocalNodeState", "inactive");
	write_bool(writer, "ControlAvailable", false);
	write_string(writer, "Error", "");
	write_null(writer, "RemoteManagers");
	write_object_end(writer);
}

/* ---- the answer ---- */

/* The name and the password in it are nobody's business: all may ask. */
static void write_proxy(Writer *writer, const char *key, const char *url)
{
	autofree char *masked = string_mask_login(url);

	write_string(writer, key, masked);
}

/* Until 1.24 bare names. */
static void write_security(Writer *writer, const EngineInfo *info, int version)
{
	static const char *const bare[] = {"apparmor", "seccomp", NULL};
	static const char *const security[] = {"name=apparmor", "name=seccomp,profile=builtin", NULL};
	const char *const *words = version < 25 ? bare : security;

	write_words(writer, "SecurityOptions", info->has_apparmor ? words : words + 1);
}

static void write_warnings(Writer *writer, Engine *engine)
{
	autoclear(StringList) warnings = {0};

	engine_firewall_warnings(engine, &warnings);
	write_strings(writer, "Warnings", &warnings);
}

static void write_info(Writer *writer, Engine *engine, const EngineInfo *info, int version)
{
	static const char *const none[] = {NULL};
	const EngineConfig *config = engine_config(engine);

	write_string(writer, "ID", info->id);
	write_counts(writer, info);
	write_driver(writer, config);
	write_plugins(writer);
	write_limits(writer, info, version);
	write_process(writer, engine, info);
	write_host(writer);
	write_registry(writer, config);
	write_null(writer, "GenericResources");
	write_string(writer, "DockerRootDir", config->root);
	write_proxy(writer, "HttpProxy", config->http_proxy);
	write_proxy(writer, "HttpsProxy", config->https_proxy);
	write_string(writer, "NoProxy", config->no_proxy);
	write_words(writer, "Labels", none);
	write_bool(writer, "ExperimentalBuild", false);
	write_string(writer, "ServerVersion", KEDGE_VERSION);
	write_runtimes(writer, info);
	write_swarm(writer);
	write_bool(writer, "LiveRestoreEnabled", true);
	write_string(writer, "Isolation", "");
	write_string(writer, "InitBinary", "");
	write_security(writer, info, version);
	if (version < 25)
		write_string(writer, "ExecutionDriver", "<not supported>");
	write_warnings(writer, engine);
}

static void info(HttpRequest *request, void *context)
{
	autoclear(EngineInfo) found = {0};
	autoclear(Buffer) out = {0};
	Error *error = engine_info(&found, docker_engine(context));
	Writer writer;

	if (error) {
		http_respond_error(request, error);
		return;
	}
	writer_init(&writer, &out);
	write_object(&writer, NULL);
	write_info(&writer, docker_engine(context), &found, docker_version(request));
	write_object_end(&writer);
	respond_json(request, 200, &out);
}

const HttpRoute info_routes[] = {
	{"GET", "/info", info, DOCKER_MONITOR, 0},
	{0},
};

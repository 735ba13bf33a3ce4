// SPDX-License-Identifier: Apache-2.0
#include "engine/engine.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/aside.h"
#include "base/clock.h"
#include "base/files.h"
#include "base/log.h"
#include "base/memory.h"
#include "engine/audit.h"
#include "engine/enforcement_internal.h"
#include "engine/log_forward.h"
#include "engine/name_server.h"
#include "engine/network_cni.h"
#include "engine/rules.h"
#include "engine/volume_internal.h"
#include "network/netlink.h"
#include "network/reaper.h"
#include "runtime/apparmor.h"
#include "runtime/ready_made.h"
#include "store/layers.h"

#define SWEEP_DELAY (200 * NANOS_PER_MILLI)
#define SWEEP_PAUSE (2 * NANOS_PER_MILLI) /* between steps: requests come first */

#define FIELD(field_name, field_kind, member)                                                                          \
	{                                                                                                              \
		.name = field_name, .kind = field_kind, .offset = offsetof(EngineConfig, member)                       \
	}

const Field engine_config_fields[] = {
	FIELD("root", FIELD_STRING, root),
	FIELD("runDirectory", FIELD_STRING, run_dir),
	FIELD("libexecDirectory", FIELD_STRING, libexec_dir),
	FIELD("registriesDirectory", FIELD_STRING, registries_dir),
	FIELD("certificatesDirectory", FIELD_STRING, certs_dir),
	FIELD("cniConfigDirectory", FIELD_STRING, cni_config_dir),
	FIELD("cniPluginDirectories", FIELD_STRINGS, cni_plugin_dirs),
	FIELD("cdiSpecDirectories", FIELD_STRINGS, cdi_spec_dirs),
	FIELD("insecureRegistries", FIELD_STRINGS, insecure_registries),
	FIELD("defaultRuntime", FIELD_STRING, default_runtime),
	FIELD("runtimes", FIELD_MAP, runtimes),
	FIELD("cgroupParent", FIELD_STRING, cgroup_parent),
	FIELD("bridge", FIELD_STRING, bridge),
	FIELD("firewallTable", FIELD_STRING, firewall_table),
	FIELD("addressPools", FIELD_STRINGS, address_pools),
	FIELD("hostGateway", FIELD_STRING, host_gateway),
	FIELD("journalSocket", FIELD_STRING, journal_socket),
	FIELD("logDriver", FIELD_STRING, log_driver),
	FIELD("logOptions", FIELD_MAP, log_options),
	FIELD("fetchUser", FIELD_STRING, fetch_user),
	{.name = "maxDownloads",
		.kind = FIELD_INT,
		.offset = offsetof(EngineConfig, max_downloads),
		.min = 1,
		.max = 64},
	{.name = "downloadRetries",
		.kind = FIELD_INT,
		.offset = offsetof(EngineConfig, download_retries),
		.min = 0,
		.max = 1000},
	{.name = "downloadRetryInterval",
		.kind = FIELD_DURATION,
		.offset = offsetof(EngineConfig, retry_interval_ns),
		.min = NANOS_PER_MILLI,
		.max = 3600 * NANOS_PER_SECOND},
	FIELD("downloadStall", FIELD_DURATION, download_stall_ns),
	FIELD("downloadTimeout", FIELD_DURATION, download_timeout_ns),
	FIELD("httpProxy", FIELD_STRING, http_proxy),
	FIELD("httpsProxy", FIELD_STRING, https_proxy),
	FIELD("noProxy", FIELD_STRING, no_proxy),
	FIELD("keepBlobs", FIELD_BOOL, keep_blobs),
	FIELD("stopTimeout", FIELD_DURATION, stop_timeout_ns),
	FIELD("startTimeout", FIELD_DURATION, start_timeout_ns),
	FIELDS_END,
};

static char *from_environment(const char *name, const char *other_name)
{
	const char *value = getenv(name);

	return mem_strdup(value ? value : getenv(other_name));
}

void engine_config_init(EngineConfig *config)
{
	*config = (EngineConfig){
		.root = mem_strdup("/var/lib/kedge"),
		.run_dir = mem_strdup("/run/kedge"),
		.libexec_dir = mem_strdup(KEDGE_LIBEXECDIR),
		.registries_dir = mem_strdup("/etc/kedge/registries.d"),
		.certs_dir = mem_strdup("/etc/docker/certs.d"),
		.cni_config_dir = mem_strdup("/etc/kedge/cni.d"),
		.cgroup_parent = mem_strdup("/kedge"),
		.bridge = mem_strdup("kedge0"),
		.firewall_table = mem_strdup("kedge"),
		.journal_socket = mem_strdup("/run/systemd/journal/socket"),
		.log_driver = mem_strdup("json-file"),
		.fetch_user = mem_strdup("nobody"),
		.max_downloads = 3,
		.download_retries = 5,
		.retry_interval_ns = NANOS_PER_SECOND,
		.keep_blobs = true,
		.download_stall_ns = 30 * NANOS_PER_SECOND,
		.stop_timeout_ns = 10 * NANOS_PER_SECOND,
		.start_timeout_ns = 60 * NANOS_PER_SECOND,
	};
	config->http_proxy = from_environment("HTTP_PROXY", "http_proxy");
	config->https_proxy = from_environment("HTTPS_PROXY", "https_proxy");
	config->no_proxy = from_environment("NO_PROXY", "no_proxy");
	strings_add(&config->cni_plugin_dirs, "/usr/lib/cni");
	strings_add(&config->cni_plugin_dirs, "/opt/cni/bin");
	strings_add(&config->cdi_spec_dirs, "/etc/cdi");
	strings_add(&config->cdi_spec_dirs, "/var/run/cdi");
	map_set(&config->log_options, "max-size", "10m");
	map_set(&config->log_options, "max-file", "3");
}

void engine_config_clear(EngineConfig *config)
{
	fields_clear(engine_config_fields, config);
}

/* ---- opening ---- */

/* The device's id is made once and stays. */
static fallible engine_identity(Engine *engine)
{
	autofree char *text = NULL;

	if (file_exists(store_dir(engine->store), "id")) {
		TRY(file_read(&text, NULL, store_dir(engine->store), "id", 256));
		if (strspn(text, "0123456789abcdef") >= 64) {
			snprintf(engine->id, sizeof(engine->id), "%.64s", text);
			return NULL;
		}
		log_warning("the device's id in \"%s/id\" is damaged: a new one is made", store_root(engine->store));
	}
	string_random_hex(engine->id, 64);
	return file_replace_durable(store_dir(engine->store), "id", engine->id, 64, 0644);
}

static fallible engine_directories(Engine *engine)
{
	autofree char *containers = path_join(engine->config.run_dir, "containers");
	autofree char *runtime = path_join(engine->config.run_dir, "runtime");

	TRY(dir_make_all(AT_FDCWD, engine->config.run_dir, 0755)); /* the socket's group passes through it */
	TRY(dir_make_all(AT_FDCWD, containers, 0700));
	return dir_make_all(AT_FDCWD, runtime, 0700);
}

/* On a host whose control groups crun refuses, runc is the default, unless somebody has named one. */
static fallible engine_runtimes(Engine *engine)
{
	const EngineConfig *config = &engine->config;
	autofree char *memory = path_join(config->run_dir, "runtimes");
	Error *refusal;

	TRY(runtimes_find(&engine->runtimes, &config->runtimes, config->default_runtime, memory));
	if (config->default_runtime || !string_equal(runtimes_default(engine->runtimes), "crun"))
		return NULL;
	refusal = cgroup_check_crun(engine->cgroups);
	if (!refusal)
		return NULL;
	if (!runtimes_get(engine->runtimes, "runc")) {
		error_log(refusal, "containers cannot be started");
		return NULL;
	}
	error_log(refusal, "runc is used instead of crun");
	engine->runtimes = runtimes_free(engine->runtimes);
	return runtimes_find(&engine->runtimes, &config->runtimes, "runc", memory);
}

/* A kernel that confines but cannot be told how is no reason to run nothing. */
static void engine_apparmor(Engine *engine)
{
	Error *error = apparmor_is_there() ? profile_load(engine) : NULL;

	if (error)
		error_log(error, "containers run without an AppArmor profile of their own");
	else if (apparmor_is_there())
		engine->apparmor = APPARMOR_DEFAULT;
}

static fallible engine_host(Engine *engine)
{
	autofree char *seccomp = path_join(engine->config.root, "seccomp");

	TRY(clock_boot_id(engine->boot_id));
	TRY(cgroup_layout_read(&engine->cgroups));
	TRY(cgroup_make_parent(engine->cgroups, engine->config.cgroup_parent));
	TRY(seccomp_cache_open(&engine->seccomp, seccomp));
	TRY(engine_runtimes(engine));
	engine_apparmor(engine);
	runtimes_try_ready_made(engine->runtimes, seccomp, engine->config.run_dir);
	return NULL;
}

static fallible engine_claim(Engine *engine)
{
	TRY(store_claim(&engine->store, engine->config.root));
	return engine_directories(engine);
}

fallible engine_open(Engine *engine)
{
	TRY(store_load(engine->store));
	TRY(engine_identity(engine));
	TRY(engine_host(engine));
	TRY(volumes_restore(engine));
	TRY(networks_restore(engine));
	TRY(containers_restore(engine));
	rules_restore(engine);
	cni_sweep(engine);
	bridges_sweep(engine);
	TRY(name_server_open(engine));
	enforcement_begin(engine->enforcement);
	TRY(log_forward_open(engine));
	if (!engine->config.keep_blobs)
		TRY(layers_drop_blobs(engine->store));
	engine_sweep_soon(engine);
	return NULL;
}

fallible engine_new(Engine **ret, Loop *loop, const EngineConfig *config)
{
	Engine *engine = mem_new(Engine);
	Error *error;

	engine->loop = loop;
	engine->sealed_runtime.fd = engine->sealed_shim.fd = -1;
	fields_copy(engine_config_fields, &engine->config, config);
	engine->containers = table_new();
	engine->names = table_new();
	engine->pulls = table_new();
	engine->execs = table_new();
	engine->volumes = table_new();
	engine->networks = table_new();
	list_init(&engine->container_order);
	list_init(&engine->volume_order);
	list_init(&engine->network_order);
	list_init(&engine->cni_works);
	list_init(&engine->volumes_leaving);
	list_init(&engine->subscriptions);
	list_init(&engine->jobs);
	engine->audit = audit_new(config->root);
	engine->enforcement = enforcement_new(engine);
	error = engine_claim(engine);
	if (error) {
		engine_free(engine);
		return error;
	}
	*ret = engine;
	return NULL;
}

Engine *engine_free(Engine *engine)
{
	if (!engine)
		return NULL;
	engine->closing = true;
	while (!list_empty(&engine->container_order)) {
		Container *container = list_entry(engine->container_order.next, Container, link);
		container_unindex(container);
		container_calls_end(container);
		container_execs_forget(container);
		container_free(container);
	}
	engine->enforcement = enforcement_free(engine->enforcement);
	engine->policy = policy_free(engine->policy);
	engine->audit = audit_free(engine->audit);
	endpoints_clear_cni(engine);
	volumes_clear(engine);
	networks_forget(engine);
	cni_clear(engine);
	name_server_close(engine);
	log_forward_close(engine);
	engine->rules = rules_free(engine->rules);
	engine->network_watch = network_watch_close(engine->network_watch);
	engine->reaper = reaper_free(engine->reaper);
	engine->links = netlink_close(engine->links);
	events_clear(engine);
	aside_free(engine->profile);
	source_free(engine->sweep);
	source_free(engine->exec_forgetter);
	table_free(engine->execs);
	table_free(engine->containers);
	table_free(engine->names);
	table_free(engine->pulls);
	close_fd(&engine->sealed_runtime.fd);
	close_fd(&engine->sealed_shim.fd);
	seccomp_cache_close(engine->seccomp);
	runtimes_free(engine->runtimes);
	cgroup_layout_free(engine->cgroups);
	store_close(engine->store);
	engine_config_clear(&engine->config);
	free(engine);
	return NULL;
}

/* ---- trash ---- */

static bool take_flag(bool *flag)
{
	bool was = *flag;

	*flag = false;
	return was;
}

fallible engine_collect_if_due(Engine *engine)
{
	return take_flag(&engine->collect) ? store_collect(engine->store) : NULL;
}

static void sweep_fired(void *arg)
{
	Engine *engine = arg;
	bool more = false;
	Error *error;

	error = engine_collect_if_due(engine);
	if (!error)
		error = store_sweep(engine->store, &more);
	if (error)
		error_log(error, "could not empty the trash");
	else if (more)
		source_rearm(engine->sweep, SWEEP_PAUSE);
}

void engine_sweep_soon(Engine *engine)
{
	Error *error;

	engine->collect = true;
	if (engine->sweep) {
		source_rearm(engine->sweep, SWEEP_DELAY);
		return;
	}
	error = loop_timer(&engine->sweep, engine->loop, SWEEP_DELAY, sweep_fired, engine);
	if (error)
		error_log(error, "the trash stays until the next start");
}

/* ---- what it is ---- */

void engine_trim(Engine *engine)
{
	store_trim(engine->store);
}

Loop *engine_loop(const Engine *engine)
{
	return engine->loop;
}

const EngineConfig *engine_config(const Engine *engine)
{
	return &engine->config;
}

char *engine_program(const Engine *engine, const char *name)
{
	return path_join(engine->config.libexec_dir, name);
}

static void info_count(EngineInfo *info, Engine *engine)
{
	list_each(&engine->container_order, Container, link, container) {
		info->containers++;
		if (container->state == CONTAINER_PAUSED)
			info->paused++;
		else if (container_is_live(container) || container->state == CONTAINER_RESTARTING)
			info->running++;
		else
			info->stopped++;
	}
}

const EngineCounters *engine_counters(const Engine *engine)
{
	return &engine->counters;
}

fallible engine_info(EngineInfo *ret, Engine *engine)
{
	EngineInfo info = {0};
	const Runtime *runtime = runtimes_get(engine->runtimes, NULL);
	Image **images;

	TRY(image_list(&images, &info.images, engine));
	image_list_free(images, info.images);
	info_count(&info, engine);
	info.default_runtime = runtimes_default(engine->runtimes);
	runtimes_list(engine->runtimes, &info.runtimes);
	info.runtime_version = mem_strdup(runtime ? runtime->version : NULL);
	info.cgroup_v2 = cgroup_is_v2(engine->cgroups);
	info.has_memory_limit = cgroup_has(engine->cgroups, "memory");
	info.has_cpu_quota = cgroup_has(engine->cgroups, "cpu");
	info.has_apparmor = engine->apparmor != NULL;
	info.has_pids_limit = cgroup_has(engine->cgroups, "pids");
	memcpy(info.id, engine->id, sizeof(info.id));
	*ret = info;
	return NULL;
}

void engine_info_clear(EngineInfo *info)
{
	map_clear(&info->runtimes);
	free(info->runtime_version);
	*info = (EngineInfo){0};
}

// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * The engine: what a device can do with images and containers, for any caller (invariant 3: it knows neither HTTP nor
 * MQTT). One Engine per kedged; everything runs on its loop. Other headers of this folder: container.h, image.h, job.h,
 * event.h, stats.h, logs.h.
 */
#include <stdbool.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/loop.h"
#include "base/strings.h"
#include "json/fields.h"

typedef struct Engine Engine;

/* kedged.yaml and options; the same names in both. */
typedef struct EngineConfig {
	char *root;           /* /var/lib/kedge */
	char *run_dir;        /* /run/kedge */
	char *libexec_dir;    /* where kedge-shim, kedge-fetch, kedge-unpack, kedge-pack, kedge-ws and kedge-dns are */
	char *registries_dir; /* /etc/kedge/registries.d */
	char *certs_dir;      /* /etc/docker/certs.d */
	char *cni_config_dir; /* /etc/kedge/cni.d */
	StringList cni_plugin_dirs; /* /usr/lib/cni, /opt/cni/bin */
	StringList cdi_spec_dirs;   /* /etc/cdi, /var/run/cdi: devices in a later one go first */
	StringList insecure_registries;
	char *default_runtime;     /* "crun"; falls back to what is there */
	StringMap runtimes;        /* name -> path and options */
	char *cgroup_parent;       /* "/kedge" */
	char *bridge;              /* interface of the default network: "kedge0" */
	char *firewall_table;      /* of nf_tables: "kedge" */
	StringList address_pools;  /* "172.17.0.0/12 16": of networks that name no subnet, parts of that prefix length */
	char *host_gateway;        /* what "host-gateway" means in a container's hosts; NULL: none */
	char *journal_socket;      /* of log driver journald: "/run/systemd/journal/socket" */
	char *log_driver;          /* "json-file" */
	StringMap log_options;     /* max-size 10m, max-file 3 */
	char *fetch_user;          /* "nobody" */
	int64_t max_downloads;     /* layers at a time: 3 */
	int64_t download_retries;  /* 5 */
	int64_t retry_interval_ns; /* before the first; doubles: 1 s */
	int64_t download_stall_ns;
	int64_t download_timeout_ns; /* for a whole pull; 0: none */
	char *http_proxy, *https_proxy, *no_proxy;
	bool keep_blobs;          /* compressed, after they are unpacked: true */
	int64_t stop_timeout_ns;  /* 10 s */
	int64_t start_timeout_ns; /* 60 s: a runtime that hangs longer is killed */
} EngineConfig;

extern const Field engine_config_fields[];
void engine_config_init(EngineConfig *config); /* defaults */
void engine_config_clear(EngineConfig *config);
DEFINE_AUTOCLEAR(EngineConfig, engine_config_clear)
fallible engine_config_check(const EngineConfig *config); /* of what needs no look at this machine */

/* Has its store and its directories to itself, and nothing else yet: a caller may listen already, and serve when it was
 * opened. config is copied. */
fallible engine_new(Engine **ret, Loop *loop, const EngineConfig *config);
/* Reads all records, adopts what runs (invariant 1), starts what restart policies ask for. */
fallible engine_open(Engine *engine);
/* Stops every container, each by its own signal and within its own time, because the machine goes down: restart
 * policies start them after the next boot. From then on nothing is started. done is called when none runs, once. */
void engine_power_down(Engine *engine, void (*done)(void *arg), void *arg);
/* Leaves containers running. */
Engine *engine_free(Engine *engine);
DEFINE_AUTOPTR(Engine, engine_free)

void engine_trim(Engine *engine); /* gives back memory that it keeps to be fast */

Loop *engine_loop(const Engine *engine);
const EngineConfig *engine_config(const Engine *engine);
char *engine_program(const Engine *engine, const char *name); /* path below libexec_dir */

typedef struct EngineInfo {
	size_t containers, running, paused, stopped, images;
	const char *default_runtime;
	StringMap runtimes; /* name -> path and options */
	bool cgroup_v2;
	bool has_memory_limit, has_cpu_quota, has_pids_limit;
	bool has_apparmor;
	char *runtime_version;
	char id[65]; /* of this device, made once */
} EngineInfo;

/* What has happened since this kedged began. */
enum { EVENT_TYPES_MAX = 12 };
typedef struct EngineCounters {
	struct {
		const char *type; /* NULL: no more of them */
		int64_t count;
	} events[EVENT_TYPES_MAX];
	int64_t pulls, pulls_failed, pulls_cancelled;
	int64_t health_checks, health_checks_failed;
} EngineCounters;

const EngineCounters *engine_counters(const Engine *engine);

fallible engine_info(EngineInfo *ret, Engine *engine);
void engine_info_clear(EngineInfo *info);
DEFINE_AUTOCLEAR(EngineInfo, engine_info_clear)

// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * What run and create know about the new container: the option table, and the body of POST /containers/create that is
 * made of it. Most options are plain fields, which a field table writes; container_body.c has those, and the words that
 * must be taken apart (mounts, devices, limits, ...).
 */
#include <stdint.h>

#include "base/options.h"
#include "base/strings.h"
#include "json/fields.h"

/* Numbers for which 0 is a value of its own have this where the option was not given. */
enum { NOT_GIVEN = INT32_MIN };

typedef struct ContainerOptions {
	/* of run alone */
	bool detach, sig_proxy;

	/* of the command line */
	bool help, quiet;
	bool interactive, tty;
	char *detach_keys;
	char *pull, *cidfile, *name, *platform;

	/* what the container is */
	StringList env, env_files, labels, label_files, annotations;
	char *entrypoint, *user, *workdir, *hostname, *domainname, *stop_signal;
	int64_t stop_timeout_s;
	StringList attach;
	bool content_trust; /* accepted, has no effect */

	/* health */
	char *health_cmd, *health_on_failure;
	int64_t health_interval, health_timeout, health_start_period, health_start_interval, health_retries;
	bool no_healthcheck;

	/* storage */
	StringList volumes, mounts, tmpfs, volumes_from;
	char *volume_driver;
	bool read_only;
	int64_t shm_size;

	/* network */
	StringList networks, network_aliases, links, link_local_ips, expose, publish;
	char *ip, *ip6, *mac_address;
	bool publish_all;

	/* isolation */
	char *pid, *ipc, *uts, *userns, *cgroupns, *cgroup_parent, *runtime;
	bool privileged, init;
	StringList cap_add, cap_drop, security_opt, group_add, sysctls, devices, device_cgroup_rules, add_hosts, dns,
		dns_search, dns_options, ulimits, gpus;

	/* limits */
	int64_t memory, memory_reservation, memory_swap, memory_swappiness, nano_cpus, cpu_shares, cpu_period,
		cpu_quota, cpu_rt_period, cpu_rt_runtime, pids_limit, blkio_weight, oom_score_adj;
	char *cpuset_cpus, *cpuset_mems;
	bool oom_kill_disable;
	StringList blkio_weight_devices, device_read_bps, device_write_bps, device_read_iops, device_write_iops;

	/* life */
	char *restart, *log_driver;
	StringList log_options;
	bool rm;
} ContainerOptions;

enum { RUN_ONLY_OPTIONS = 3 };
extern const Option run_options[]; /* the whole table; it begins with those that create does not have */
#define create_options (run_options + RUN_ONLY_OPTIONS)
extern const ContainerOptions container_defaults;

/* The body; image and command are the arguments. */
/* Of "stdin", "stdout" and "stderr". */
bool container_attaches(const ContainerOptions *options, const char *stream);
fallible container_body(Buffer *out, const ContainerOptions *options, const StringList *arguments);
/* The body of POST /containers/{id}/update, of limits and restart policy. */
fallible container_update_body(Buffer *out, const ContainerOptions *options);

/* ---- pieces of it, for the body and for tests ---- */
/* "type=bind,source=/a,target=/b,readonly": writes one object of HostConfig.Mounts. */
fallible mount_option_write(Writer *writer, const char *text);
/* "-v": "/target" (ret_bind NULL), "source:target[:mode]"; a source that begins with a dot is made absolute. */
fallible volume_option_parse(char **ret_bind, const char *text);
/* "NAME=VALUE" words as an object; needs_value: NAME alone is an error, not an empty value. None: nothing is written.
 */
fallible pairs_write(Writer *writer, const char *key, const StringList *words, const char *option, bool needs_value);
/* One line of CSV, as --mount takes it: commas may be quoted. */
fallible csv_split(StringList *ret, const char *text);

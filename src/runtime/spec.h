// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * ContainerSpec: what a container is to be, in one form from the API's door to the OCI bundle. Callers fill it by field
 * tables of their own words (docker/, device/), container_create() merges the image's defaults into it, it is stored by
 * container_spec_fields, and bundle_write() turns it into a runtime configuration. There is no second form.
 */
#include <stdbool.h>
#include <stdint.h>

#include "base/strings.h"
#include "oci/image_config.h"
#include "json/fields.h"
#include "runtime/spec_network.h"

typedef enum RestartPolicy {
	RESTART_NO,
	RESTART_ON_FAILURE,
	RESTART_ALWAYS,
	RESTART_UNLESS_STOPPED,
	RESTART_POLICIES
} RestartPolicy;
extern const char *const restart_policy_names[RESTART_POLICIES]; /* "no", "on-failure", ... */

typedef enum MountKind { MOUNT_BIND, MOUNT_TMPFS, MOUNT_VOLUME, MOUNT_KINDS } MountKind;
extern const char *const mount_kind_names[MOUNT_KINDS];

typedef struct MountSpec {
	int kind;     /* MountKind */
	char *source; /* bind: absolute host path; volume: its name, NULL until one is made up; NULL for tmpfs */
	char *target; /* absolute path in the container */
	bool read_only;
	bool make_source;     /* -v creates a missing source directory, --mount does not */
	bool as_mount;        /* asked for by --mount: shown among "Mounts", not among "Binds" or "Tmpfs" */
	bool is_flat;         /* bind: without what is mounted below the source */
	bool read_only_below; /* bind, read_only: what is mounted below the source is so too, or the start fails */
	char *propagation;    /* "rprivate" when NULL */
	char *options;        /* tmpfs: "size=64m,mode=1777"; NULL: defaults */
	char *mode;           /* -v: its options as they were given */

	/* volumes */
	bool no_copy;      /* what the image has at the target is not for the volume */
	bool copies;       /* it is, and has not been copied into it yet */
	bool is_anonymous; /* its name was made up; it may go with the container */
	bool is_lent;      /* another container's (--volumes-from): there already */
	char *subpath;     /* what of it is mounted; NULL: all */
	char *driver;      /* as asked for */
	StringMap driver_options, volume_labels;
} MountSpec;

typedef struct UlimitSpec {
	char *name; /* "nofile" */
	int64_t soft, hard;
} UlimitSpec;

typedef struct DeviceSpec {
	char *host_path, *container_path;
	char *permissions; /* "rwm" */
} DeviceSpec;

/* Devices that somebody else knows how to give: CDI's by their names, GPUs by number or id. Looked for at each start. */
typedef struct DeviceRequest {
	char *driver;       /* "cdi", "nvidia"; NULL or "": whoever can */
	int64_t count;      /* -1: all; 0: those of ids */
	StringList ids;     /* "vendor.com/class=name" of "cdi" */
	Value *capabilities; /* array of arrays of words, of which one must fit whole: [["gpu"]] */
	StringMap options;  /* kept for clients, no effect */
	bool optional;      /* a start goes on without it */
} DeviceRequest;

/* A rate or a weight of one block device. */
typedef struct RateSpec {
	char *path;   /* of the device on the host */
	int64_t rate; /* bytes or operations a second, or the weight */
} RateSpec;

typedef enum RateKind {
	RATE_WEIGHT,
	RATE_READ_BPS,
	RATE_WRITE_BPS,
	RATE_READ_IOPS,
	RATE_WRITE_IOPS,
	RATE_KINDS
} RateKind;

typedef struct ContainerSpec {
	/* what */
	char *image;           /* as the user wrote it */
	StringList entrypoint; /* merged with the image's at create */
	StringList command;
	bool entrypoint_reset; /* the caller gave an empty entrypoint: the image's does not apply */
	StringList env;
	char *workdir; /* NULL: "/" */
	char *user;    /* "name", "uid", "name:group", ...; NULL: root */
	StringList groups;
	char *hostname; /* NULL: the first 12 digits of the id */
	char *domainname;
	StringMap labels;
	StringList exposed_ports; /* of the image and of the caller: shown, no effect */
	bool tty;
	int64_t console_rows, console_columns; /* of its terminal at first; 0: as the runtime has it */
	bool open_stdin, stdin_once;
	bool attach_stdin, attach_stdout, attach_stderr; /* kept for clients, no effect */
	StringList on_build, shell;                      /* as above: for who builds images of it */
	char *id_file;                                   /* as above: where the client wrote the id */

	/* storage */
	FieldArray mounts;       /* MountSpec */
	StringList binds;        /* Docker's "-v" strings as given: shown back, parsed into mounts */
	StringList volumes;      /* targets of anonymous volumes, the image's and the caller's */
	StringList volumes_from; /* "CONTAINER[:ro]" as given; parsed into mounts */
	char *volume_driver;
	bool read_only_root;
	int64_t shm_size; /* bytes; 0: 64 MiB */

	/* networks */
	FieldArray endpoints; /* EndpointSpec; the engine adds the network mode's, when it is a network */
	FieldArray ports;     /* PortSpec */
	bool publish_all;     /* exposed ports as well, each at one that is free */
	StringList links;     /* "CONTAINER:ALIAS", of the default network or of the network mode's */
	char *mac_address;    /* of the network mode's endpoint */

	/* isolation */
	char *network_mode; /* NULL/"default"/"bridge", a network's name or id; "none", "host", "container:ID" */
	char *pid_mode, *ipc_mode, *uts_mode, *cgroupns_mode; /* NULL: private */
	char *userns_mode;                                    /* NULL or "host": there are no user namespaces */
	bool privileged;
	StringList cap_add, cap_drop;
	StringList security_options;              /* "seccomp=unconfined", "no-new-privileges", ... */
	FieldArray devices;                       /* DeviceSpec */
	StringList device_rules;                  /* "c 188:* rmw" */
	FieldArray device_requests;               /* DeviceRequest */
	StringList masked_paths, read_only_paths; /* in place of the defaults when they are given, also empty ones */
	bool masked_paths_given, read_only_paths_given;
	StringMap annotations; /* for the runtime */
	StringMap sysctls;
	FieldArray ulimits;     /* UlimitSpec */
	StringList extra_hosts; /* "name:address" */
	StringList dns, dns_search, dns_options;
	bool init;

	/* limits; 0 means none unless said */
	int64_t memory, memory_reservation;
	int64_t memory_swap; /* memory + swap; -1 unlimited; 0: unset */
	int64_t nano_cpus;   /* 1.5 cpus = 1500000000 */
	int64_t cpu_shares, cpu_period, cpu_quota;
	char *cpuset_cpus, *cpuset_mems;
	int64_t pids_limit;
	int64_t blkio_weight;
	FieldArray rates[RATE_KINDS]; /* RateSpec; a device that is not there fails the start */
	int64_t memory_swappiness;    /* 0..100; -1: the host's */
	int64_t oom_score_adj;
	bool oom_kill_disable;
	char *cgroup_parent; /* control group to make the container's in; NULL: the daemon's */

	/* life */
	int restart_policy;  /* RestartPolicy */
	int64_t restart_max; /* on-failure: attempts; 0: no limit */
	bool auto_remove;
	char *stop_signal;       /* NULL: TERM */
	int64_t stop_timeout_s;  /* -1: default (10) */
	HealthCheck health;      /* test empty: none */
	char *health_on_failure; /* NULL/"none", "kill", "restart", "stop" */
	char *runtime;           /* NULL: the daemon's default */
	char *log_driver;        /* telemetry/options.h; NULL: the daemon's */
	StringMap log_options;   /* of that driver */
} ContainerSpec;

extern const Field container_spec_fields[]; /* the stored form */

void container_spec_init(ContainerSpec *spec); /* defaults that are not zero */
void container_spec_clear(ContainerSpec *spec);
DEFINE_AUTOCLEAR(ContainerSpec, container_spec_clear)
/* Fills what the caller left open from the image, by Docker's rules (command is reset by an entrypoint, env is merged,
 * ...). */
void container_spec_merge_image(ContainerSpec *spec, const ImageConfig *image);
/* As Docker shows them: "net_admin" becomes "CAP_NET_ADMIN"; an unknown one is left for the check to name. */
void container_spec_complete_capabilities(ContainerSpec *spec);
/* Checks every field's value; ERROR_INVALID names the field and the reason, ERROR_UNSUPPORTED what is not there yet. */
fallible container_spec_check(const ContainerSpec *spec);
fallible spec_check_log(const char *driver, const StringMap *options); /* the part of it that defaults need, too */
fallible spec_check_limits(const ContainerSpec *spec);                 /* numbers, sets and rates alone */
/* Modes of the containers whose namespaces it has at last: nobody changes the host's settings by joining them. */
fallible spec_check_sysctls(const ContainerSpec *spec, const char *network_mode, const char *ipc_mode);
/* Docker's -v syntax "source:target[:options]" into mounts. */
fallible container_spec_parse_binds(ContainerSpec *spec);
MountSpec *container_spec_add_mount(ContainerSpec *spec); /* an empty one; pointers to others are void afterwards */
const MountSpec *container_spec_mount_at(const ContainerSpec *spec, const char *target); /* NULL: none */
/* How the shim binds the source first (shim/sources.h): "flat", "shared", "part"; NULL: the runtime takes it as it is.
 */
const char *mount_spec_source_kind(const MountSpec *mount);
extern const Field mount_spec_fields[]; /* for copies */
/*
 * What of /proc and /sys the container does not see, or cannot write to: the defaults, in place of them what the caller
 * gave (an empty list too), nothing when it is privileged. Source: moby oci/defaults.go.
 */
void container_spec_masked_paths(StringList *ret, const ContainerSpec *spec);
void container_spec_read_only_paths(StringList *ret, const ContainerSpec *spec);

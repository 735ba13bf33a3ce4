// SPDX-License-Identifier: Apache-2.0
/* The table of a declaration: every field, where it is kept, how it may be written, and what it says. */
#include <stddef.h>

#include "base/clock.h"
#include "device/declaration.h"
#include "device/fields.h"

const char *const pull_when_names[PULL_WHENS] = {
	[PULL_MISSING] = "missing",
	[PULL_ALWAYS] = "always",
	[PULL_NEVER] = "never",
};

const char *const depends_when_names[DEPENDS_WHENS] = {
	[DEPENDS_STARTED] = "started",
	[DEPENDS_HEALTHY] = "healthy",
	[DEPENDS_COMPLETED] = "completed",
};

/* clang-format off */
#define AT(member) .offset = offsetof(OWNER, member)
#define PLAIN(key, type, member, about, ...) { .name = key, .kind = type, AT(member), .omit_empty = true, .text = about, __VA_ARGS__ }
#define TEXT(key, member, about, ...) PLAIN(key, FIELD_STRING, member, about, __VA_ARGS__)
#define TEXTS(key, member, about, ...) PLAIN(key, FIELD_STRINGS, member, about, __VA_ARGS__)
#define TRUTH(key, member, about, ...) PLAIN(key, FIELD_BOOL, member, about, __VA_ARGS__)
#define NUMBER(key, member, about, ...) PLAIN(key, FIELD_INT, member, about, __VA_ARGS__)
#define SIZE(key, member, about, ...) PLAIN(key, FIELD_BYTES, member, about, .as_text = true, __VA_ARGS__)
#define TIME(key, member, about, ...) PLAIN(key, FIELD_DURATION, member, about, .as_text = true, .max = INT64_MAX, __VA_ARGS__)
#define PAIRS(key, member, about, ...) PLAIN(key, FIELD_MAP, member, about, .expand = expand_map, __VA_ARGS__)
#define WORD(key, member, words, about, ...) { .name = key, .kind = FIELD_ENUM, AT(member), .names = words, .name_count = sizeof(words) / sizeof((words)[0]), .text = about, __VA_ARGS__ }
#define STRUCTS(key, member, table, type, about, ...) PLAIN(key, FIELD_ARRAY, member, about, .sub = table, .sub_size = sizeof(type), __VA_ARGS__)
#define NESTED(key, table, about) { .name = key, .kind = FIELD_OBJECT, .sub = table, .omit_empty = true, .text = about }

#define OWNER Declaration
static const Field registry_fields[] = {
	TEXT("host", registry.host, "Registry that the credentials are for; without it the image's own"),
	TEXT("username", registry.username, "User name at the registry"),
	TEXT("password", registry.password, "Password or token; sealed when kedge first reads the file, which then has \"sealed\" in its place"),
	TEXT("sealed", registry.sealed, "The password as kedge has sealed it; means nothing on another device"),
	FIELDS_END,
};
static const Field health_fields[] = {
	TEXTS("test", spec.health.test, "What tells whether it is healthy: a line for its shell, or [\"CMD\", program, ...]; [\"NONE\"]: no check, whatever the image says", .expand = expand_test),
	TIME("interval", spec.health.interval_ns, "Time between two checks; without it 30s"),
	TIME("timeout", spec.health.timeout_ns, "How long a check may take; without it 30s"),
	NUMBER("retries", spec.health.retries, "Failed checks in a row until it is unhealthy; without it 3", .max = INT32_MAX),
	TIME("startPeriod", spec.health.start_period_ns, "Time after the start in which failed checks do not count"),
	TIME("startInterval", spec.health.start_interval_ns, "Time between two checks in the start period"),
	TEXT("onFailure", spec.health_on_failure, "What an unhealthy container gets: none, kill, restart or stop; without it none"),
	FIELDS_END,
};
static const Field logging_fields[] = {
	TEXT("driver", spec.log_driver, "Where its output goes; without it json-file"),
	PAIRS("options", spec.log_options, "Options of the driver, such as max-size"),
	FIELDS_END,
};
static const Field signature_fields[] = {
	TEXT("trustAnchor", signature.trust_anchor, "Key or certificate that the image must be signed with; stored and shown, and an enabled container that sets it is refused: signatures are not checked yet"),
	TRUTH("verifyTransparencyLog", signature.verify_transparency_log, "Whether a signature must be in a transparency log"),
	TEXT("enforcementDigest", signature.enforcement_digest, "Digest that is allowed beside the allow-list, for this container's image"),
	FIELDS_END,
};
static const Field identity_fields[] = {
	TRUTH("enabled", identity.enabled, "Whether the container gets an identity of its own; stored and shown, and an enabled container that sets it is refused: there are no identities yet"),
	TEXTS("permissions", identity.permissions, "What the identity may do; as above", .expand = expand_words),
	TIME("accessTokenDuration", identity.access_token_ns, "How long an access token holds"),
	TIME("refreshTokenDuration", identity.refresh_token_ns, "How long a refresh token holds"),
	FIELDS_END,
};
#undef OWNER

#define OWNER DeclaredGpus
static const Field gpu_fields[] = {
	NUMBER("count", count, "How many; -1: all", .min = -1, .max = 1024),
	TEXTS("ids", ids, "Which ones: numbers or UUIDs", .max_count = 256),
	TRUTH("optional", optional, "Whether the container runs without them where there are none, with a note"),
	FIELDS_END,
};
#undef OWNER

#define OWNER DeclaredDevice
static const Field device_fields[] = {
	TEXT("path", path, "Device on the host, or the full name of a CDI device (vendor.com/class=name)", .required = true),
	TEXT("target", target, "Path in the container; without it the same"),
	TEXT("permissions", permissions, "Out of r, w and m; without it rwm"),
	TRUTH("optional", optional, "Whether the container runs without it where it is not there, with a note"),
	FIELDS_END,
};
#undef OWNER

#define OWNER Dependency
static const Field dependency_fields[] = {
	TEXT("name", name, "A declared container", .required = true),
	WORD("condition", condition, depends_when_names, "What it must have reached before this one starts: it runs, its check is healthy, or it has ended with status 0"),
	FIELDS_END,
};
#undef OWNER

#define OWNER PortSpec
static const Field port_fields[] = {
	NUMBER("container", port, "Port in the container", .min = 1, .max = UINT16_MAX, .required = true),
	WORD("protocol", protocol, protocol_names, "Its protocol"),
	TEXT("address", host_address, "Address of the host; without it every one"),
	NUMBER("host", host_port, "Port at the host; without it any that is free", .max = UINT16_MAX),
	NUMBER("hostEnd", host_port_end, "Last port of a range, of which the first that is free is taken", .max = UINT16_MAX),
	FIELDS_END,
};
#undef OWNER

#define OWNER MountSpec
static const Field volume_fields[] = {
	WORD("type", kind, mount_kind_names, "Kind of mount", .required = true),
	TEXT("source", source, "bind: absolute path on the host; volume: its name, without it one of its own"),
	TEXT("target", target, "Absolute path in the container", .required = true),
	TRUTH("readOnly", read_only, "Whether the container cannot write to it"),
	TRUTH("createSource", make_source, "bind: make a directory where there is none"),
	TRUTH("nonRecursive", is_flat, "bind: without what is mounted below the source"),
	TRUTH("readOnlyRecursive", read_only_below, "bind, readOnly: what is mounted below is read-only too, or the start fails"),
	TEXT("propagation", propagation, "bind: private, rprivate, shared, rshared, slave or rslave; without it rprivate"),
	TEXT("options", options, "tmpfs: options such as size=64m,mode=1777"),
	TRUTH("noCopy", no_copy, "volume: do not copy what the image has at the target"),
	TEXT("subpath", subpath, "volume: a directory in it"),
	TEXT("driver", driver, "volume: driver of a new one; without it local"),
	PAIRS("driverOptions", driver_options, "volume: options of the driver for a new one"),
	PAIRS("labels", volume_labels, "volume: labels of a new one"),
	FIELDS_END,
};
#undef OWNER

#define OWNER EndpointSpec
static const Field network_fields[] = {
	TEXT("name", network, "A network", .required = true),
	TEXTS("aliases", aliases, "Names beside the container's own on it"),
	TEXT("ipv4", ipv4, "Its IPv4 address; without it any that is free"),
	TEXT("ipv6", ipv6, "Its IPv6 address; as above"),
	TEXTS("linkLocal", link_local, "Link-local addresses"),
	TEXT("mac", mac, "Its hardware address; without it one is made up"),
	TEXTS("links", links, "Containers that it knows by another name: CONTAINER:ALIAS"),
	PAIRS("options", options, "Options of the network's driver"),
	NUMBER("priority", priority, "The way out is through the network that has most of it", .min = INT32_MIN, .max = INT32_MAX),
	FIELDS_END,
};
#undef OWNER

#define OWNER UlimitSpec
static const Field ulimit_fields[] = {
	TEXT("name", name, "Limit of setrlimit(2), such as nofile", .required = true),
	{ .name = "soft", .kind = FIELD_INT, AT(soft), .required = true, .min = -1, .max = INT64_MAX, .text = "Soft limit; -1: none" },
	{ .name = "hard", .kind = FIELD_INT, AT(hard), .required = true, .min = -1, .max = INT64_MAX, .text = "Hard limit; -1: none" },
	FIELDS_END,
};
#undef OWNER

#define OWNER RateSpec
static const Field weight_fields[] = {
	TEXT("path", path, "Block device on the host", .required = true),
	NUMBER("weight", rate, "Its weight, 10 to 1000", .min = 10, .max = 1000),
	FIELDS_END,
};
static const Field bytes_fields[] = {
	TEXT("path", path, "Block device on the host", .required = true),
	SIZE("rate", rate, "Bytes a second"),
	FIELDS_END,
};
static const Field operations_fields[] = {
	TEXT("path", path, "Block device on the host", .required = true),
	NUMBER("rate", rate, "Operations a second"),
	FIELDS_END,
};
#undef OWNER

#define OWNER Declaration
#define RATES(key, member, table, expand_, about) STRUCTS(key, member, table, RateSpec, about, .expand_item = expand_)

const Field declaration_fields[] = {
	TEXT("name", name, "Name of the container; without it the file's name without its ending", .max_length = DECLARED_NAME_MAX),
	TEXT("image", spec.image, "Image to run, by tag or by digest (name@sha256:...), which then is allowed beside the allow-list", .required = true),
	TRUTH("enabled", enabled, "Whether it is to run; false: the container is stopped and deleted, the declaration stays"),
	WORD("pull", pull, pull_when_names, "When the image is pulled: if it is not there, before each creation, or never"),
	NUMBER("pullRetries", pull_retries, "Tries to pull and start before kedge waits for a change; 0: without end", .max = INT32_MAX),
	TIME("pullInterval", pull_interval_ns, "Time between two tries"),
	{ .name = "pullTimeout", .kind = FIELD_DURATION, AT(pull_timeout_ns), .as_text = true, .min = NANOS_PER_SECOND, .max = INT64_MAX, .text = "How long a pull may take" },
	NESTED("registry", registry_fields, "Credentials for the image's registry"),

	{ .name = "entrypoint", .kind = FIELD_WORDS, AT(spec.entrypoint), .omit_empty = true, .expand = expand_line, .text = "Instead of the image's entrypoint; []: none" },
	{ .name = "command", .kind = FIELD_WORDS, AT(spec.command), .omit_empty = true, .expand = expand_line, .text = "Instead of the image's command" },
	TEXTS("environment", spec.env, "Variables: NAME: value, or a list of NAME=value; a NAME alone keeps the image's value out", .expand = expand_environment),
	TEXTS("envFile", env_files, "Files with a line NAME=value for each variable, read when the container is made; \"environment\" goes first", .expand = expand_words, .max_count = 64),
	TEXT("user", spec.user, "User, or user:group: names of the image, or numbers"),
	TEXTS("groupAdd", spec.groups, "Further groups of the user"),
	TEXT("workingDir", spec.workdir, "Working directory"),
	TEXT("hostname", spec.hostname, "Host name in the container; without it the beginning of its id"),
	TEXT("domainName", spec.domainname, "Domain name in the container"),
	PAIRS("labels", spec.labels, "Labels of the container"),
	PAIRS("annotations", spec.annotations, "Annotations for the OCI runtime"),
	TRUTH("tty", spec.tty, "Whether it has a terminal"),
	NUMBER("consoleRows", spec.console_rows, "Height of the terminal at first", .max = UINT16_MAX),
	NUMBER("consoleColumns", spec.console_columns, "Width of the terminal at first", .max = UINT16_MAX),
	TRUTH("stdinOpen", spec.open_stdin, "Whether its standard input stays open"),
	TRUTH("stdinOnce", spec.stdin_once, "Whether its standard input ends with the first client that was attached to it"),
	TRUTH("init", spec.init, "Whether a small init passes signals on and reaps processes"),
	TEXT("runtime", spec.runtime, "OCI runtime by its name"),
	TEXT("stopSignal", spec.stop_signal, "Signal that asks it to end; without it the image's, or TERM"),
	{ .name = "stopGracePeriod", .kind = FIELD_DURATION, AT(stop_grace_ns), .as_text = true, .max = INT32_MAX * NANOS_PER_SECOND, .text = "How long after the signal it is killed, in whole seconds; without it 10s" },
	WORD("restart", spec.restart_policy, restart_policy_names, "When it is started again after it has ended"),
	NUMBER("restartRetries", spec.restart_max, "on-failure: how often; without it without end", .max = INT32_MAX),
	NESTED("healthcheck", health_fields, "What tells whether it is healthy; each part that is left open is the image's"),
	NESTED("logging", logging_fields, "Where its output goes"),

	STRUCTS("volumes", spec.mounts, volume_fields, MountSpec, "What is mounted: SOURCE:TARGET[:ro], where the source is a path of the host or a volume's name; TARGET: a volume of its own", .expand_item = expand_volume),
	TEXTS("tmpfs", tmpfs, "File systems in memory: TARGET[:OPTIONS]", .expand = expand_words),
	TEXTS("volumesFrom", spec.volumes_from, "Containers whose volumes and binds it has too: CONTAINER[:ro]"),
	TEXT("volumeDriver", spec.volume_driver, "Driver of new volumes; without it local"),
	TRUTH("readOnly", spec.read_only_root, "Whether its root file system is read-only"),
	SIZE("shmSize", spec.shm_size, "Size of /dev/shm; without it 64m"),

	STRUCTS("ports", spec.ports, port_fields, PortSpec, "Ports at the host: [[ADDRESS:]HOST:]CONTAINER[/PROTOCOL], also ranges of the same length", .expand_item = expand_port),
	TRUTH("publishAll", spec.publish_all, "Whether all exposed ports are published, each at one that is free"),
	TEXTS("expose", spec.exposed_ports, "Ports that are noted as used: PORT[/PROTOCOL]; nothing is opened"),
	TEXT("networkMode", spec.network_mode, "A network, none, host or container:NAME; without it the first of \"networks\", else bridge"),
	STRUCTS("networks", spec.endpoints, network_fields, EndpointSpec, "Networks it is on: a list of names, or NAME: {...}", .expand = expand_networks),
	TEXTS("links", spec.links, "Containers that it knows by a name: CONTAINER[:ALIAS]"),
	TEXT("macAddress", spec.mac_address, "Its hardware address on the network of \"networkMode\""),
	TEXTS("dns", spec.dns, "Name servers", .expand = expand_words),
	TEXTS("dnsSearch", spec.dns_search, "Domains to search names in", .expand = expand_words),
	TEXTS("dnsOptions", spec.dns_options, "Options for resolv.conf"),
	TEXTS("extraHosts", spec.extra_hosts, "Lines for /etc/hosts: NAME: address, or a list of NAME:ADDRESS", .expand = expand_hosts),

	TRUTH("privileged", spec.privileged, "Whether all protection is taken away: all capabilities, all devices"),
	TEXTS("capAdd", spec.cap_add, "Capabilities more, such as NET_ADMIN, or ALL"),
	TEXTS("capDrop", spec.cap_drop, "Capabilities less, or ALL"),
	TEXTS("securityOpt", spec.security_options, "seccomp=unconfined, seccomp=/FILE (read when the container is made), no-new-privileges, apparmor=PROFILE, systempaths=unconfined"),
	STRUCTS("devices", devices, device_fields, DeclaredDevice, "Devices: PATH[:TARGET[:rwm]], or a CDI device by its full name", .expand_item = expand_device),
	TEXTS("deviceCgroupRules", spec.device_rules, "Rules for devices, such as \"c 188:* rmw\""),
	{ .name = "gpus", .kind = FIELD_OBJECT_OR_NULL, AT(gpus), .sub = gpu_fields, .sub_size = sizeof(DeclaredGpus), .omit_empty = true, .expand = expand_gpus, .text = "GPUs: all, how many, or which ones" },
	TEXT("pid", spec.pid_mode, "Process ids: host or container:NAME; without it its own"),
	TEXT("ipc", spec.ipc_mode, "Shared memory: none, host, private, shareable or container:NAME"),
	TEXT("uts", spec.uts_mode, "Host name: host; without it its own"),
	TEXT("cgroupns", spec.cgroupns_mode, "Control groups: host or private"),
	TEXT("userns", spec.userns_mode, "User ids: host"),
	PAIRS("sysctls", spec.sysctls, "Kernel settings of its namespaces"),
	STRUCTS("ulimits", spec.ulimits, ulimit_fields, UlimitSpec, "Limits of setrlimit(2): nofile: 1024, or a list of NAME=SOFT[:HARD]", .expand = expand_ulimits),
	TEXTS("maskedPaths", spec.masked_paths, "What of /proc and /sys it does not see, in place of the defaults"),
	TEXTS("readOnlyPaths", spec.read_only_paths, "What of /proc and /sys it cannot write to, in place of the defaults"),
	TEXT("cgroupParent", spec.cgroup_parent, "Control group to make its own in"),

	SIZE("memory", spec.memory, "Memory at most"),
	SIZE("memoryReservation", spec.memory_reservation, "Memory that it keeps when the device is short of it"),
	SIZE("memorySwap", spec.memory_swap, "Memory and swap together at most; -1: no limit"),
	{ .name = "memorySwappiness", .kind = FIELD_INT, AT(spec.memory_swappiness), .min = -1, .max = 100, .text = "How readily its memory is swapped, 0 to 100; -1: as the host's" },
	TRUTH("oomKillDisable", spec.oom_kill_disable, "Whether it waits instead of being killed when memory is out"),
	NUMBER("oomScoreAdj", spec.oom_score_adj, "How readily the kernel kills it, -1000 to 1000", .min = -1000, .max = 1000),
	PLAIN("cpus", FIELD_NANO, spec.nano_cpus, "How many CPUs it may use, such as 1.5"),
	NUMBER("cpuShares", spec.cpu_shares, "Its share of CPU time against others', 2 to 262144"),
	NUMBER("cpuPeriod", spec.cpu_period, "Microseconds that cpuQuota is of"),
	NUMBER("cpuQuota", spec.cpu_quota, "Microseconds of CPU time in each period"),
	TEXT("cpuset", spec.cpuset_cpus, "CPUs it may use, such as 0-2,4"),
	TEXT("cpusetMems", spec.cpuset_mems, "Memory nodes it may use"),
	NUMBER("pidsLimit", spec.pids_limit, "Processes and threads at most; -1: no limit", .min = -1, .max = 4194304),
	NUMBER("blkioWeight", spec.blkio_weight, "Its share of disk time against others', 10 to 1000", .max = 1000),
	RATES("blkioWeightDevice", spec.rates[RATE_WEIGHT], weight_fields, expand_weight, "The same for one device: PATH:WEIGHT"),
	RATES("deviceReadBps", spec.rates[RATE_READ_BPS], bytes_fields, expand_rate, "Bytes a second read from a device: PATH:RATE"),
	RATES("deviceWriteBps", spec.rates[RATE_WRITE_BPS], bytes_fields, expand_rate, "Bytes a second written to a device: PATH:RATE"),
	RATES("deviceReadIops", spec.rates[RATE_READ_IOPS], operations_fields, expand_number, "Reads a second from a device: PATH:RATE"),
	RATES("deviceWriteIops", spec.rates[RATE_WRITE_IOPS], operations_fields, expand_number, "Writes a second to a device: PATH:RATE"),

	STRUCTS("dependsOn", depends_on, dependency_fields, Dependency, "Declared containers that go first: a list of names, or NAME: {condition: ...}", .expand = expand_dependencies, .max_count = 256),
	TIME("probation", probation_ns, "How long a replacement must be up (healthy, where there is a check) before the old container goes; else that one is started again"),
	NESTED("signature", signature_fields, "What the image must be signed with"),
	NESTED("identity", identity_fields, "Credentials of the container at the device"),
	FIELDS_END,
};
/* clang-format on */

// SPDX-License-Identifier: Apache-2.0
#include "docker/spec_fields.h"

#include <stddef.h>

/* clang-format off */
#define FIELD(key, type, member) { .name = (key), .kind = (type), .offset = offsetof(ContainerSpec, member) }
#define PART(key, type, of, member) { .name = (key), .kind = (type), .offset = offsetof(of, member) }

const Field config_plain_fields[] = {
	FIELD("Hostname", FIELD_STRING, hostname),
	FIELD("Domainname", FIELD_STRING, domainname),
	FIELD("User", FIELD_STRING, user),
	FIELD("AttachStdin", FIELD_BOOL, attach_stdin),
	FIELD("AttachStdout", FIELD_BOOL, attach_stdout),
	FIELD("AttachStderr", FIELD_BOOL, attach_stderr),
	FIELD("Tty", FIELD_BOOL, tty),
	FIELD("OpenStdin", FIELD_BOOL, open_stdin),
	FIELD("StdinOnce", FIELD_BOOL, stdin_once),
	FIELD("Env", FIELD_STRINGS, env),
	FIELD("Image", FIELD_STRING, image),
	FIELD("WorkingDir", FIELD_STRING, workdir),
	FIELD("Labels", FIELD_MAP, labels),
	{ .name = "MacAddress", .kind = FIELD_STRING, .offset = offsetof(ContainerSpec, mac_address), .omit_empty = true },
	FIELDS_END,
};

static const Field device_fields[] = {
	PART("PathOnHost", FIELD_STRING, DeviceSpec, host_path),
	PART("PathInContainer", FIELD_STRING, DeviceSpec, container_path),
	PART("CgroupPermissions", FIELD_STRING, DeviceSpec, permissions),
	FIELDS_END,
};

static const Field device_request_fields[] = {
	PART("Driver", FIELD_STRING, DeviceRequest, driver),
	PART("Count", FIELD_INT, DeviceRequest, count),
	PART("DeviceIDs", FIELD_STRINGS, DeviceRequest, ids),
	PART("Capabilities", FIELD_VALUE, DeviceRequest, capabilities),
	PART("Options", FIELD_MAP, DeviceRequest, options),
	FIELDS_END,
};

static const Field ulimit_fields[] = {
	PART("Name", FIELD_STRING, UlimitSpec, name),
	PART("Hard", FIELD_INT, UlimitSpec, hard),
	PART("Soft", FIELD_INT, UlimitSpec, soft),
	FIELDS_END,
};

static const Field weight_fields[] = {
	PART("Path", FIELD_STRING, RateSpec, path),
	PART("Weight", FIELD_INT, RateSpec, rate),
	FIELDS_END,
};

static const Field rate_fields[] = {
	PART("Path", FIELD_STRING, RateSpec, path),
	PART("Rate", FIELD_INT, RateSpec, rate),
	FIELDS_END,
};

#define RATES(key, table, member) { .name = (key), .kind = FIELD_ARRAY, .offset = offsetof(ContainerSpec, member), .sub = (table), .sub_size = sizeof(RateSpec) }

const Field host_plain_fields[] = {
	FIELD("Binds", FIELD_STRINGS, binds),
	FIELD("ContainerIDFile", FIELD_STRING, id_file),
	FIELD("VolumesFrom", FIELD_STRINGS, volumes_from),
	FIELD("VolumeDriver", FIELD_STRING, volume_driver),
	FIELD("AutoRemove", FIELD_BOOL, auto_remove),
	FIELD("CapAdd", FIELD_STRINGS, cap_add),
	FIELD("CapDrop", FIELD_STRINGS, cap_drop),
	FIELD("Dns", FIELD_STRINGS, dns),
	FIELD("DnsOptions", FIELD_STRINGS, dns_options),
	FIELD("DnsSearch", FIELD_STRINGS, dns_search),
	FIELD("ExtraHosts", FIELD_STRINGS, extra_hosts),
	FIELD("GroupAdd", FIELD_STRINGS, groups),
	FIELD("OomScoreAdj", FIELD_INT, oom_score_adj),
	FIELD("PidMode", FIELD_STRING, pid_mode),
	FIELD("PublishAllPorts", FIELD_BOOL, publish_all),
	FIELD("Privileged", FIELD_BOOL, privileged),
	FIELD("ReadonlyRootfs", FIELD_BOOL, read_only_root),
	FIELD("SecurityOpt", FIELD_STRINGS, security_options),
	FIELD("UTSMode", FIELD_STRING, uts_mode),
	FIELD("UsernsMode", FIELD_STRING, userns_mode),
	FIELD("Sysctls", FIELD_MAP, sysctls),
	FIELD("CpuShares", FIELD_INT, cpu_shares),
	FIELD("Memory", FIELD_INT, memory),
	FIELD("NanoCpus", FIELD_INT, nano_cpus),
	FIELD("BlkioWeight", FIELD_INT, blkio_weight),
	FIELD("CgroupParent", FIELD_STRING, cgroup_parent),
	RATES("BlkioWeightDevice", weight_fields, rates[RATE_WEIGHT]),
	RATES("BlkioDeviceReadBps", rate_fields, rates[RATE_READ_BPS]),
	RATES("BlkioDeviceWriteBps", rate_fields, rates[RATE_WRITE_BPS]),
	RATES("BlkioDeviceReadIOps", rate_fields, rates[RATE_READ_IOPS]),
	RATES("BlkioDeviceWriteIOps", rate_fields, rates[RATE_WRITE_IOPS]),
	FIELD("CpuPeriod", FIELD_INT, cpu_period),
	FIELD("CpuQuota", FIELD_INT, cpu_quota),
	FIELD("CpusetCpus", FIELD_STRING, cpuset_cpus),
	FIELD("CpusetMems", FIELD_STRING, cpuset_mems),
	{ .name = "Devices", .kind = FIELD_ARRAY, .offset = offsetof(ContainerSpec, devices), .sub = device_fields, .sub_size = sizeof(DeviceSpec) },
	FIELD("DeviceCgroupRules", FIELD_STRINGS, device_rules),
	FIELD("MemoryReservation", FIELD_INT, memory_reservation),
	FIELD("MemorySwap", FIELD_INT, memory_swap),
	FIELD("OomKillDisable", FIELD_BOOL, oom_kill_disable),
	FIELD("PidsLimit", FIELD_INT, pids_limit),
	{ .name = "Ulimits", .kind = FIELD_ARRAY, .offset = offsetof(ContainerSpec, ulimits), .sub = ulimit_fields, .sub_size = sizeof(UlimitSpec) },
	FIELDS_END,
};

/* As above, but null where there is nothing. */
const Field host_request_fields[] = {
	{ .name = "DeviceRequests", .kind = FIELD_ARRAY, .offset = offsetof(ContainerSpec, device_requests), .sub = device_request_fields, .sub_size = sizeof(DeviceRequest) },
	FIELDS_END,
};

/* As above, but shown with their defaults in place of nothing. */
const Field host_default_fields[] = {
	FIELD("CgroupnsMode", FIELD_STRING, cgroupns_mode),
	FIELD("IpcMode", FIELD_STRING, ipc_mode),
	FIELD("ShmSize", FIELD_INT, shm_size),
	FIELD("Runtime", FIELD_STRING, runtime),
	FIELD("MemorySwappiness", FIELD_INT, memory_swappiness),
	FIELDS_END,
};
/* clang-format on */

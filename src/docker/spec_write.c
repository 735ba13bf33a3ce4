// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "docker/forms.h"
#include "docker/spec_network.h"
#include "docker/spec.h"
#include "docker/spec_fields.h"
#include "oci/image_config.h"

enum { SHM_SIZE_DEFAULT = 64 << 20 };

static void write_empty(Writer *writer, const char *json, const char *const *keys)
{
	for (; *keys; keys++)
		write_raw(writer, *keys, json);
}

/* ---- Config ---- */

static void write_hostname(Writer *writer, const ContainerView *view)
{
	if (string_empty(view->spec->hostname))
		write_string_n(writer, "Hostname", view->id, 12);
	else
		write_string(writer, "Hostname", view->spec->hostname);
}

static void write_rest_of_config(Writer *writer, const ContainerSpec *spec)
{
	write_strings_or_null(writer, "Cmd", &spec->command);
	write_strings_or_null(writer, "Entrypoint", &spec->entrypoint);
	if (spec->health.test.count > 0)
		fields_write(health_check_fields, &spec->health, writer, "Healthcheck");
	if (spec->exposed_ports.count > 0)
		write_set_or_null(writer, "ExposedPorts", &spec->exposed_ports);
	write_set_or_null(writer, "Volumes", &spec->volumes);
	write_strings_or_null(writer, "OnBuild", &spec->on_build);
	if (spec->shell.count > 0)
		write_strings(writer, "Shell", &spec->shell);
	if (!string_empty(spec->health_on_failure))
		write_string(writer, "HealthOnFailure", spec->health_on_failure);
	if (!string_empty(spec->stop_signal))
		write_string(writer, "StopSignal", spec->stop_signal);
	if (spec->stop_timeout_s >= 0)
		write_int(writer, "StopTimeout", spec->stop_timeout_s);
}

void write_config(Writer *writer, const ContainerView *view)
{
	write_object(writer, "Config");
	write_hostname(writer, view);
	fields_write_members(config_plain_fields + 1, view->spec, writer); /* the host name is written already */
	write_rest_of_config(writer, view->spec);
	write_object_end(writer);
}

/* ---- mounts ---- */

static void write_bind_options(Writer *writer, const MountSpec *mount)
{
	if (!mount->propagation && !mount->is_flat && !mount->make_source && !mount->read_only_below)
		return;
	write_object(writer, "BindOptions");
	if (mount->propagation)
		write_string(writer, "Propagation", mount->propagation);
	if (mount->is_flat)
		write_bool(writer, "NonRecursive", true);
	if (mount->make_source)
		write_bool(writer, "CreateMountpoint", true);
	if (mount->read_only_below)
		write_bool(writer, "ReadOnlyForceRecursive", true);
	write_object_end(writer);
}

static void write_volume_options(Writer *writer, const MountSpec *mount)
{
	bool has_driver = mount->driver || mount->driver_options.count;

	if (!mount->no_copy && !mount->volume_labels.count && !mount->subpath && !has_driver)
		return;
	write_object(writer, "VolumeOptions");
	if (mount->no_copy)
		write_bool(writer, "NoCopy", true);
	if (mount->volume_labels.count)
		write_map(writer, "Labels", &mount->volume_labels);
	if (mount->subpath)
		write_string(writer, "Subpath", mount->subpath);
	if (has_driver) {
		write_object(writer, "DriverConfig");
		if (mount->driver)
			write_string(writer, "Name", mount->driver);
		if (mount->driver_options.count)
			write_map(writer, "Options", &mount->driver_options);
		write_object_end(writer);
	}
	write_object_end(writer);
}

static void write_tmpfs_option(Writer *writer, const char *option)
{
	if (string_starts(option, "size="))
		write_int(writer, "SizeBytes", strtoll(option + strlen("size="), NULL, 10));
	else if (string_starts(option, "mode="))
		write_int(writer, "Mode", strtoll(option + strlen("mode="), NULL, 8));
}

/* The words that spec_read.c made of them, back again. */
static void write_tmpfs_options(Writer *writer, const MountSpec *mount)
{
	autoclear(StringList) options = {0};

	if (string_empty(mount->options))
		return;
	strings_split(&options, mount->options, ',');
	write_object(writer, "TmpfsOptions");
	for (size_t i = 0; i < options.count; i++)
		write_tmpfs_option(writer, options.items[i]);
	write_object_end(writer);
}

static void write_asked_mount(Writer *writer, const MountSpec *mount)
{
	write_object(writer, NULL);
	write_string(writer, "Type", mount_kind_names[mount->kind]);
	if (mount->source && !mount->is_anonymous)
		write_string(writer, "Source", mount->source);
	write_string(writer, "Target", mount->target);
	if (mount->read_only)
		write_bool(writer, "ReadOnly", true);
	if (mount->kind == MOUNT_BIND)
		write_bind_options(writer, mount);
	else if (mount->kind == MOUNT_VOLUME)
		write_volume_options(writer, mount);
	else if (mount->kind == MOUNT_TMPFS)
		write_tmpfs_options(writer, mount);
	write_object_end(writer);
}

static bool is_from_tmpfs(const MountSpec *mount)
{
	return mount->kind == MOUNT_TMPFS && !mount->as_mount;
}

/* Binds are shown as they were given, file systems in memory as Tmpfs, and volumes without a name where they are
 * mounted. */
static void write_asked_mounts(Writer *writer, const ContainerSpec *spec)
{
	const MountSpec *mounts = spec->mounts.items;

	write_array(writer, "Mounts");
	for (size_t i = 0; i < spec->mounts.count; i++)
		if (mounts[i].as_mount)
			write_asked_mount(writer, &mounts[i]);
	write_array_end(writer);
	write_object(writer, "Tmpfs");
	for (size_t i = 0; i < spec->mounts.count; i++)
		if (is_from_tmpfs(&mounts[i]))
			write_string(writer, mounts[i].target, mounts[i].options ? mounts[i].options : "");
	write_object_end(writer);
}

/* Docker's word for a volume of its own that nobody gave one is "z". */
static const char *mode_shown(const MountSpec *mount)
{
	if (mount->mode)
		return mount->mode;
	if (mount->kind == MOUNT_VOLUME)
		return mount->is_lent || (mount->is_anonymous && !mount->as_mount) ? "" : "z";
	return mount->read_only && !mount->as_mount && !mount->is_lent ? "ro" : "";
}

static const char *propagation_shown(const MountSpec *mount)
{
	if (mount->kind != MOUNT_BIND)
		return "";
	return mount->propagation ? mount->propagation : "rprivate";
}

/* Of a volume without a name, the engine gives each one. */
static char *source_shown(const MountSpec *mount, const ContainerView *view)
{
	const char *source = mount->source ? mount->source : "";

	return mount->kind == MOUNT_VOLUME ? string_printf("%s/%s/_data", view->volumes, source) : mem_strdup(source);
}

static void write_source(Writer *writer, const MountSpec *mount, const ContainerView *view)
{
	autofree char *source = source_shown(mount, view);

	if (mount->kind == MOUNT_VOLUME)
		write_string(writer, "Name", mount->source ? mount->source : "");
	write_string(writer, "Source", source);
	if (mount->kind == MOUNT_VOLUME)
		write_string(writer, "Driver", "local");
}

void write_mounts(Writer *writer, const ContainerView *view)
{
	const MountSpec *mounts = view->spec->mounts.items;

	write_array(writer, "Mounts");
	for (size_t i = 0; i < view->spec->mounts.count; i++) {
		const MountSpec *mount = &mounts[i];
		if (is_from_tmpfs(mount))
			continue; /* HostConfig has them */
		write_object(writer, NULL);
		write_string(writer, "Type", mount_kind_names[mount->kind]);
		write_source(writer, mount, view);
		write_string(writer, "Destination", mount->target);
		write_string(writer, "Mode", mode_shown(mount));
		write_bool(writer, "RW", !mount->read_only);
		write_string(writer, "Propagation", propagation_shown(mount));
		write_object_end(writer);
	}
	write_array_end(writer);
}

void write_old_mounts(Writer *writer, const ContainerView *view)
{
	const MountSpec *mounts = view->spec->mounts.items;

	write_object(writer, "Volumes");
	for (size_t i = 0; i < view->spec->mounts.count; i++) {
		autofree char *source = is_from_tmpfs(&mounts[i]) ? NULL : source_shown(&mounts[i], view);
		if (source)
			write_string(writer, mounts[i].target, source);
	}
	write_object_end(writer);
	write_object(writer, "VolumesRW");
	for (size_t i = 0; i < view->spec->mounts.count; i++)
		if (!is_from_tmpfs(&mounts[i]))
			write_bool(writer, mounts[i].target, !mounts[i].read_only);
	write_object_end(writer);
}

/* ---- HostConfig ---- */

static void write_policies(Writer *writer, const ContainerSpec *spec)
{
	write_object(writer, "LogConfig");
	write_string(writer, "Type", string_empty(spec->log_driver) ? "json-file" : spec->log_driver);
	write_map(writer, "Config", &spec->log_options);
	write_object_end(writer);
	write_object(writer, "RestartPolicy");
	write_string(writer, "Name", restart_policy_names[spec->restart_policy]);
	write_int(writer, "MaximumRetryCount", spec->restart_max);
	write_object_end(writer);
	write_array(writer, "ConsoleSize");
	write_int(writer, NULL, spec->console_rows);
	write_int(writer, NULL, spec->console_columns);
	write_array_end(writer);
	if (spec->init)
		write_bool(writer, "Init", true);
}

static void write_requests(Writer *writer, const ContainerSpec *spec)
{
	if (spec->device_requests.count)
		fields_write_members(host_request_fields, spec, writer);
	else
		write_null(writer, "DeviceRequests");
}

/* Members that clients expect to be there, of what kedge has nothing of. */
static void write_absent(Writer *writer, int version)
{
	static const char *const kernel[] = {"KernelMemory", "KernelMemoryTCP", NULL};
	static const char *const texts[] = {"Cgroup", "Isolation", NULL};
	static const char *const numbers[] = {"CpuRealtimePeriod", "CpuRealtimeRuntime", "CpuCount", "CpuPercent",
		"IOMaximumIOps", "IOMaximumBandwidth", NULL};

	write_empty(writer, "\"\"", texts);
	write_empty(writer, "0", numbers);
	if (version < 42)
		write_empty(writer, "0", kernel);
}

static void write_paths(Writer *writer, const ContainerSpec *spec)
{
	autoclear(StringList) masked = {0}, read_only = {0};

	container_spec_masked_paths(&masked, spec);
	container_spec_read_only_paths(&read_only, spec);
	write_strings(writer, "MaskedPaths", &masked);
	write_strings(writer, "ReadonlyPaths", &read_only);
}

static const char *shown(const char *text, const char *otherwise)
{
	return string_empty(text) ? otherwise : text;
}

static void write_defaults(Writer *writer, const ContainerSpec *spec, const char *default_runtime)
{
	write_string(writer, "NetworkMode", network_mode_shown(spec));
	write_string(writer, "CgroupnsMode", shown(spec->cgroupns_mode, "private"));
	write_string(writer, "IpcMode", shown(spec->ipc_mode, "private"));
	write_string(writer, "Runtime", shown(spec->runtime, default_runtime));
	write_int(writer, "ShmSize", spec->shm_size ? spec->shm_size : SHM_SIZE_DEFAULT);
	if (spec->memory_swappiness < 0)
		write_null(writer, "MemorySwappiness");
	else
		write_int(writer, "MemorySwappiness", spec->memory_swappiness);
}

void write_host_config(Writer *writer, const ContainerView *view, int version)
{
	const ContainerSpec *spec = view->spec;

	write_object(writer, "HostConfig");
	fields_write_members(host_plain_fields, spec, writer);
	write_defaults(writer, spec, view->default_runtime);
	write_policies(writer, spec);
	write_asked_mounts(writer, spec);
	write_port_bindings(writer, spec);
	write_host_links(writer, spec, view->name);
	write_paths(writer, spec);
	if (spec->annotations.count > 0)
		write_map(writer, "Annotations", &spec->annotations);
	write_requests(writer, spec);
	write_absent(writer, version);
	write_object_end(writer);
}

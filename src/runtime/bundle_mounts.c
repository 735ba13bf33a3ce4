// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/files.h"
#include "base/memory.h"
#include "runtime/bundle_parts.h"

enum { SHM_SIZE = 64 << 20 };
#define INIT_SOURCE "/usr/bin/tini-static"
#define INIT_TARGET "/sbin/docker-init"

/* A mount on its way out: options are separated by commas. */
typedef struct Mount {
	const char *target, *type, *source, *options;
} Mount;

static const Mount default_mounts[] = {
	{"/proc", "proc", "proc", "nosuid,noexec,nodev"},
	{"/dev", "tmpfs", "tmpfs", "nosuid,strictatime,mode=755,size=65536k"},
	{"/dev/pts", "devpts", "devpts", "nosuid,noexec,newinstance,ptmxmode=0666,mode=0620,gid=5"},
	{"/sys", "sysfs", "sysfs", "nosuid,noexec,nodev,ro"},
	{"/sys/fs/cgroup", "cgroup", "cgroup", "nosuid,noexec,nodev,ro"},
	{"/dev/mqueue", "mqueue", "mqueue", "nosuid,noexec,nodev"},
};

/* A /dev of the caller's own comes with all that is below it. */
static bool is_overridden(const ContainerSpec *spec, const char *target)
{
	return container_spec_mount_at(spec, target) ||
	       (string_starts(target, "/dev/") && container_spec_mount_at(spec, "/dev"));
}

static void write_options(Writer *writer, const char *options, bool without_ro)
{
	autoclear(StringList) words = {0};

	strings_split(&words, options, ',');
	write_array(writer, "options");
	for (size_t i = 0; i < words.count; i++)
		if (!without_ro || strcmp(words.items[i], "ro") != 0)
			write_string(writer, NULL, words.items[i]);
	write_array_end(writer);
}

static void write_mount(Writer *writer, const Mount *mount, bool without_ro)
{
	write_object(writer, NULL);
	write_string(writer, "destination", mount->target);
	write_string(writer, "type", mount->type);
	write_string(writer, "source", mount->source);
	write_options(writer, mount->options, without_ro);
	write_object_end(writer);
}

static void write_defaults(Writer *writer, const ContainerSpec *spec)
{
	for (size_t i = 0; i < COUNT(default_mounts); i++)
		if (!is_overridden(spec, default_mounts[i].target))
			write_mount(writer, &default_mounts[i], spec->privileged);
}

/* The host's own in its IPC namespace, another container's in that one's, none at all in mode "none", else a tmpfs of
 * the size asked for. */
static void write_shm(Writer *writer, const BundleInput *input)
{
	const ContainerSpec *spec = input->spec;
	int64_t size = spec->shm_size ? spec->shm_size : SHM_SIZE;
	autofree char *options = string_printf("nosuid,noexec,nodev,mode=1777,size=%lld", (long long)size);
	Mount own = {"/dev/shm", "tmpfs", "shm", options}, host = {"/dev/shm", "bind", "/dev/shm", "rbind,rprivate"};
	Mount joined = {"/dev/shm", "bind", input->joined_shm, "rbind,rprivate"};

	if (is_overridden(spec, "/dev/shm") || string_equal(spec->ipc_mode, "none"))
		return;
	write_mount(writer, joined.source ? &joined : spec_is_host(spec->ipc_mode) ? &host : &own, false);
}

static void write_managed(Writer *writer, const BundleInput *input)
{
	const Mount files[] = {
		{"/etc/hosts", "bind", input->hosts_path, "rbind,rprivate,ro"},
		{"/etc/hostname", "bind", input->hostname_path, "rbind,rprivate,ro"},
		{"/etc/resolv.conf", "bind", input->resolv_path, "rbind,rprivate,ro"},
	};

	for (size_t i = 0; i < COUNT(files); i++)
		if (files[i].source && !container_spec_mount_at(input->spec, files[i].target))
			write_mount(writer, &files[i], !input->spec->read_only_root);
}

static fallible write_init(Writer *writer, const ContainerSpec *spec)
{
	const Mount init = {INIT_TARGET, "bind", INIT_SOURCE, "bind,ro"};

	if (!spec->init || spec_is_shared(spec->pid_mode))
		return NULL;
	if (!file_exists(AT_FDCWD, INIT_SOURCE))
		return error_hint(error_new(ERROR_UNAVAILABLE, "field \"init\": \"" INIT_SOURCE "\" is not there"),
			"install the package tini");
	write_mount(writer, &init, false);
	return NULL;
}

/* ---- the caller's ---- */

static void write_bind(Writer *writer, const BundleInput *input, const MountSpec *mount)
{
	const MountSpec *first = input->spec->mounts.items;
	const char *access = mount->read_only_below ? "rro" : mount->read_only ? "ro" : "rw";
	autofree char *options = string_printf(
		"rbind,%s,%s", access, string_empty(mount->propagation) ? "rprivate" : mount->propagation);
	autofree char *bound = mount_spec_source_kind(mount)
				       ? string_printf("%s/%zu", input->sources_directory, (size_t)(mount - first))
				       : NULL;
	autofree char *data = mount->kind == MOUNT_VOLUME
				      ? string_printf("%s/%s/_data", input->volumes_directory, mount->source)
				      : NULL;
	Mount out = {mount->target, "bind", bound ? bound : data ? data : mount->source, options};

	write_mount(writer, &out, false);
}

/* Ours, but for what the caller has the opposite of: not every runtime lets the later word win. */
static void write_tmpfs(Writer *writer, const MountSpec *mount)
{
	static const char *const ours[] = {"noexec", "nosuid", "nodev"};
	autoclear(StringList) callers = {0}, options = {0};

	strings_split(&callers, mount->options ? mount->options : "", ',');
	for (size_t i = 0; i < COUNT(ours); i++)
		if (!strings_has(&callers, ours[i] + strlen("no")))
			strings_add(&options, ours[i]);
	if (mount->read_only)
		strings_add(&options, "ro");
	for (size_t i = 0; i < callers.count; i++)
		if (callers.items[i][0])
			strings_add(&options, callers.items[i]);
	autofree char *joined = strings_join(&options, ",");
	Mount out = {mount->target, "tmpfs", "tmpfs", joined};
	write_mount(writer, &out, false);
}

static size_t depth(const char *path)
{
	size_t count = 0;

	for (; *path; path++)
		count += *path == '/' && path[1] && path[1] != '/';
	return count;
}

static int compare_depth(const void *a, const void *b)
{
	const MountSpec *const *one = a, *const *other = b;
	size_t x = depth((*one)->target), y = depth((*other)->target);

	return x == y ? (*one > *other) - (*one < *other) : x < y ? -1 : 1;
}

/* Shallow ones first, whatever the caller's order: /data must not cover /data/cache. */
static void write_callers(Writer *writer, const BundleInput *input)
{
	const ContainerSpec *spec = input->spec;
	autofree const MountSpec **sorted = mem_array(NULL, spec->mounts.count + 1, sizeof(*sorted));

	for (size_t i = 0; i < spec->mounts.count; i++)
		sorted[i] = (const MountSpec *)spec->mounts.items + i;
	qsort(sorted, spec->mounts.count, sizeof(*sorted), compare_depth);
	for (size_t i = 0; i < spec->mounts.count; i++) {
		if (sorted[i]->kind == MOUNT_TMPFS)
			write_tmpfs(writer, sorted[i]);
		else
			write_bind(writer, input, sorted[i]);
	}
}

/* ---- what CDI devices bring along ---- */

static bool says_bind(const StringList *options)
{
	return strings_has(options, "bind") || strings_has(options, "rbind");
}

static void write_device_mount(Writer *writer, const CdiMount *mount)
{
	bool is_bind = string_empty(mount->type) || string_equal(mount->type, "bind");
	autoclear(StringList) options = {0};

	strings_copy(&options, &mount->options);
	if (is_bind && !says_bind(&options))
		strings_add(&options, "rbind");
	write_object(writer, NULL);
	write_string(writer, "destination", mount->container_path);
	write_string(writer, "type", is_bind ? "bind" : mount->type);
	write_string(writer, "source", mount->host_path);
	write_strings(writer, "options", &options);
	write_object_end(writer);
}

static void write_device_mounts(Writer *writer, const CdiEdits *edits)
{
	for (size_t i = 0; edits && i < edits->mounts.count; i++)
		write_device_mount(writer, (const CdiMount *)edits->mounts.items + i);
}

fallible bundle_write_mounts(Writer *writer, const BundleInput *input)
{
	write_array(writer, "mounts");
	write_defaults(writer, input->spec);
	write_shm(writer, input);
	write_callers(writer, input);
	write_device_mounts(writer, input->edits);
	write_managed(writer, input); /* on top of an /etc of the caller's own */
	TRY(write_init(writer, input->spec));
	write_array_end(writer);
	return NULL;
}

/* A shared or slave bind needs a root that passes mounts on. */
const char *bundle_root_propagation(const BundleInput *input)
{
	const char *found = NULL;

	for (size_t i = 0; i < input->spec->mounts.count; i++) {
		const char *propagation = ((const MountSpec *)input->spec->mounts.items)[i].propagation;
		if (propagation && string_ends(propagation, "shared"))
			return "shared";
		if (propagation && string_ends(propagation, "slave"))
			found = "rslave";
	}
	return found;
}

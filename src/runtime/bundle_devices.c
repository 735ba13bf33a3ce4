// SPDX-License-Identifier: Apache-2.0
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "base/files.h"
#include "base/memory.h"
#include "runtime/bundle_parts.h"

enum { HOST_DEVICES_MAX = 2048, DEPTH_MAX = 8 };

typedef struct DeviceNode {
	const char *path; /* in the container */
	const char *permissions;
	char type;
	unsigned major, minor;
	mode_t mode;
	uid_t uid;
	gid_t gid;
} DeviceNode;

static bool describe(DeviceNode *ret, const struct stat *st)
{
	if (!S_ISCHR(st->st_mode) && !S_ISBLK(st->st_mode))
		return false;
	ret->type = S_ISCHR(st->st_mode) ? 'c' : 'b';
	ret->major = major(st->st_rdev);
	ret->minor = minor(st->st_rdev);
	ret->mode = st->st_mode & 07777;
	ret->uid = st->st_uid;
	ret->gid = st->st_gid;
	return true;
}

static void write_node(Writer *writer, const DeviceNode *node)
{
	const char type[] = {node->type, '\0'};

	write_object(writer, NULL);
	write_string(writer, "path", node->path);
	write_string(writer, "type", type);
	write_uint(writer, "major", node->major);
	write_uint(writer, "minor", node->minor);
	write_uint(writer, "fileMode", node->mode);
	write_uint(writer, "uid", node->uid);
	write_uint(writer, "gid", node->gid);
	write_object_end(writer);
}

static fallible read_device(DeviceNode *ret, const DeviceSpec *device)
{
	struct stat st;

	*ret = (DeviceNode){.path = device->container_path, .permissions = device->permissions};
	if (string_empty(ret->permissions))
		ret->permissions = "rwm";
	if (stat(device->host_path, &st) < 0)
		return error_new(ERROR_INVALID, "device \"%s\": %s", device->host_path, strerror(errno));
	if (!describe(ret, &st))
		return error_new(ERROR_INVALID, "\"%s\" is not a device", device->host_path);
	return NULL;
}

/* ---- privileged: all of the host's ---- */

typedef struct HostDevices {
	Writer *writer;
	const char *directory;
	size_t *count;
	int depth;
} HostDevices;

/* The container has these of its own, or they stand for this process. */
static bool is_own(const char *path)
{
	static const char *const own[] = {"/dev/pts", "/dev/shm", "/dev/fd", "/dev/mqueue", "/dev/console", "/dev/ptmx",
		"/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom", "/dev/tty"};

	return names_find(own, COUNT(own), path) >= 0;
}

static Error *write_host_device(void *arg, int dir, const char *name, unsigned char type)
{
	const HostDevices *host = arg;
	autofree char *path = path_join(host->directory, name);
	HostDevices below = {host->writer, path, host->count, host->depth + 1};
	DeviceNode node = {.path = path, .permissions = "rwm"};
	struct stat st;

	if (is_own(path) || *host->count >= HOST_DEVICES_MAX)
		return NULL;
	if (type == DT_DIR)
		return host->depth < DEPTH_MAX ? dir_each(AT_FDCWD, path, write_host_device, &below) : NULL;
	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0 || !describe(&node, &st))
		return NULL;
	write_node(host->writer, &node);
	(*host->count)++;
	return NULL;
}

static fallible write_host_devices(Writer *writer)
{
	size_t count = 0;
	HostDevices host = {.writer = writer, .directory = "/dev", .count = &count};

	return dir_each(AT_FDCWD, "/dev", write_host_device, &host);
}

fallible bundle_write_devices(Writer *writer, const BundleInput *input)
{
	const ContainerSpec *spec = input->spec;
	DeviceNode node;

	write_array(writer, "devices");
	if (spec->privileged)
		TRY(write_host_devices(writer));
	for (size_t i = 0; i < spec->devices.count; i++) {
		const DeviceSpec *device = (const DeviceSpec *)spec->devices.items + i;
		if (spec->privileged && string_equal(device->host_path, device->container_path))
			continue; /* among the host's already */
		TRY(read_device(&node, device));
		write_node(writer, &node);
	}
	write_array_end(writer);
	return NULL;
}

/* ---- the rules of the devices controller ---- */

/* major and minor -1: any */
typedef struct DeviceRule {
	bool allow;
	char type; /* 'a': any */
	int major, minor;
	const char *access;
} DeviceRule;

static const DeviceRule default_rules[] = {
	{false, 'a', -1, -1, "rwm"}, {true, 'c', 1, 5, "rwm"}, /* zero */
	{true, 'c', 1, 3, "rwm"},                              /* null */
	{true, 'c', 1, 9, "rwm"},                              /* urandom */
	{true, 'c', 1, 8, "rwm"},                              /* random */
	{true, 'c', 5, 0, "rwm"},                              /* tty */
	{true, 'c', 5, 1, "rwm"},                              /* console */
	{false, 'c', 10, 229, "rwm"},                          /* fuse */
};

static const DeviceRule all_allowed = {true, 'a', -1, -1, "rwm"};

static void write_rule(Writer *writer, const DeviceRule *rule)
{
	const char type[] = {rule->type, '\0'};

	write_object(writer, NULL);
	write_bool(writer, "allow", rule->allow);
	if (rule->type != 'a')
		write_string(writer, "type", type);
	if (rule->major >= 0)
		write_int(writer, "major", rule->major);
	if (rule->minor >= 0)
		write_int(writer, "minor", rule->minor);
	write_string(writer, "access", rule->access);
	write_object_end(writer);
}

static fallible write_rules(Writer *writer, const ContainerSpec *spec)
{
	DeviceNode node;

	for (size_t i = 0; i < COUNT(default_rules); i++)
		write_rule(writer, &default_rules[i]);
	for (size_t i = 0; i < spec->devices.count; i++) {
		TRY(read_device(&node, (const DeviceSpec *)spec->devices.items + i));
		DeviceRule rule = {true, node.type, (int)node.major, (int)node.minor, node.permissions};
		write_rule(writer, &rule);
	}
	return NULL;
}

fallible bundle_write_device_rules(Writer *writer, const BundleInput *input)
{
	write_array(writer, "devices");
	if (input->spec->privileged)
		write_rule(writer, &all_allowed);
	else
		TRY(write_rules(writer, input->spec));
	write_array_end(writer);
	return NULL;
}

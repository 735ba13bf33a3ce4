// SPDX-License-Identifier: Apache-2.0
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "base/cleanup.h"
#include "base/files.h"
#include "base/memory.h"
#include "runtime/bundle_parts.h"

enum { NODES_MAX = 2048, DEPTH_MAX = 8 };

typedef struct DeviceNode {
	char *path; /* in the container; owned */
	const char *permissions;
	char type;
	unsigned major, minor;
	mode_t mode;
	uid_t uid;
	gid_t gid;
} DeviceNode;

typedef struct DeviceNodes {
	DeviceNode *items;
	size_t count;
} DeviceNodes;

static void nodes_clear(DeviceNodes *nodes)
{
	for (size_t i = 0; i < nodes->count; i++)
		free(nodes->items[i].path);
	free(nodes->items);
}

DEFINE_AUTOCLEAR(DeviceNodes, nodes_clear)

/* False when it is no device. path is copied. */
static bool nodes_add(DeviceNodes *nodes, const char *path, const char *permissions, const struct stat *st)
{
	if (!S_ISCHR(st->st_mode) && !S_ISBLK(st->st_mode))
		return false;
	nodes->items = mem_array(nodes->items, nodes->count + 1, sizeof(DeviceNode));
	nodes->items[nodes->count++] = (DeviceNode){
		.path = mem_strdup(path),
		.permissions = permissions,
		.type = S_ISCHR(st->st_mode) ? 'c' : 'b',
		.major = major(st->st_rdev),
		.minor = minor(st->st_rdev),
		.mode = st->st_mode & 07777,
		.uid = st->st_uid,
		.gid = st->st_gid,
	};
	return true;
}

/* ---- all below a directory ---- */

typedef struct Walk {
	DeviceNodes *nodes;
	const char *host, *container; /* the directory here and there */
	const char *permissions;
	int depth;
} Walk;

/* The container has these of its own, or they stand for this process. */
static bool is_own(const char *path)
{
	static const char *const own[] = {"/dev/pts", "/dev/shm", "/dev/fd", "/dev/mqueue", "/dev/console", "/dev/ptmx",
		"/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom", "/dev/tty"};

	return names_find(own, COUNT(own), path) >= 0;
}

static Error *walk_entry(void *arg, int dir, const char *name, unsigned char type)
{
	const Walk *walk = arg;
	autofree char *host = path_join(walk->host, name), *container = path_join(walk->container, name);
	Walk below = {walk->nodes, host, container, walk->permissions, walk->depth + 1};
	struct stat st;

	if (is_own(host) || walk->nodes->count >= NODES_MAX)
		return NULL;
	if (type == DT_DIR)
		return walk->depth < DEPTH_MAX ? dir_each(AT_FDCWD, host, walk_entry, &below) : NULL;
	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0)
		nodes_add(walk->nodes, container, walk->permissions, &st);
	return NULL;
}

/* ---- what the caller asked for ---- */

static fallible collect_device(DeviceNodes *nodes, const DeviceSpec *device)
{
	const char *permissions = string_empty(device->permissions) ? "rwm" : device->permissions;
	Walk walk = {nodes, device->host_path, device->container_path, permissions, 0};
	size_t before = nodes->count;
	struct stat st;

	if (stat(device->host_path, &st) < 0 && errno == ENOENT)
		return error_new(ERROR_INVALID, "device \"%s\" is not there", device->host_path);
	if (stat(device->host_path, &st) < 0)
		return error_new(ERROR_INVALID, "device \"%s\": %s", device->host_path, strerror(errno));
	if (!S_ISDIR(st.st_mode))
		return nodes_add(nodes, device->container_path, permissions, &st)
			       ? NULL
			       : error_new(ERROR_INVALID, "\"%s\" is not a device", device->host_path);
	TRY(dir_each(AT_FDCWD, device->host_path, walk_entry, &walk));
	if (nodes->count == before)
		return error_new(ERROR_INVALID, "directory \"%s\" holds no device", device->host_path);
	return NULL;
}

/* Of a privileged container those that stand where the host has them are among the host's already. */
static fallible collect_devices(DeviceNodes *nodes, const ContainerSpec *spec)
{
	for (size_t i = 0; i < spec->devices.count; i++) {
		const DeviceSpec *device = (const DeviceSpec *)spec->devices.items + i;
		if (!spec->privileged || !string_equal(device->host_path, device->container_path))
			TRY(collect_device(nodes, device));
	}
	return NULL;
}

/* ---- what CDI devices are ---- */

static bool is_of_type(const struct stat *st, const char *type)
{
	if (string_empty(type))
		return S_ISCHR(st->st_mode) || S_ISBLK(st->st_mode);
	return *type == 'b' ? S_ISBLK(st->st_mode) : S_ISCHR(st->st_mode);
}

/* A node in the place of an earlier one is the one that counts. */
static void nodes_remove(DeviceNodes *nodes, const char *path)
{
	for (size_t i = nodes->count; i-- > 0;) {
		if (!string_equal(nodes->items[i].path, path))
			continue;
		free(nodes->items[i].path);
		memmove(&nodes->items[i], &nodes->items[i + 1], (nodes->count - i - 1) * sizeof(DeviceNode));
		nodes->count--;
	}
}

/* What its specification leaves open, the host's node says; who owns it, the container's process. */
static fallible look_at_node(struct stat *ret, const CdiNode *node, const UserIds *user)
{
	const char *host = string_empty(node->host_path) ? node->path : node->host_path;
	bool is_given = !string_empty(node->type) && (node->major || node->minor);
	struct stat st = {.st_mode = 0666 | (node->type && *node->type == 'b' ? S_IFBLK : S_IFCHR)};

	if (!is_given && stat(host, &st) < 0)
		return error_new(ERROR_INVALID, "device \"%s\": %s", host, strerror(errno));
	if (!is_given && !is_of_type(&st, node->type))
		return error_new(ERROR_INVALID, "\"%s\" is not the device that its CDI specification says", host);
	if (is_given)
		st.st_rdev = makedev((unsigned)node->major, (unsigned)node->minor);
	st.st_mode = (st.st_mode & S_IFMT) | (mode_t)(value_int(node->mode, st.st_mode) & 07777);
	st.st_uid = (uid_t)value_int(node->uid, user->uid);
	st.st_gid = (gid_t)value_int(node->gid, user->gid);
	*ret = st;
	return NULL;
}

static fallible collect_edits(DeviceNodes *nodes, const BundleInput *input)
{
	const CdiNode *items = input->edits ? input->edits->nodes.items : NULL;

	for (size_t i = 0; input->edits && i < input->edits->nodes.count; i++) {
		const char *permissions = string_empty(items[i].permissions) ? "rwm" : items[i].permissions;
		struct stat st;
		TRY(look_at_node(&st, &items[i], input->user));
		nodes_remove(nodes, items[i].path);
		nodes_add(nodes, items[i].path, permissions, &st);
	}
	return NULL;
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

fallible bundle_write_devices(Writer *writer, const BundleInput *input)
{
	autoclear(DeviceNodes) nodes = {0};
	Walk host = {&nodes, "/dev", "/dev", "rwm", 0};

	if (input->spec->privileged)
		TRY(dir_each(AT_FDCWD, "/dev", walk_entry, &host));
	TRY(collect_devices(&nodes, input->spec));
	TRY(collect_edits(&nodes, input));
	write_array(writer, "devices");
	for (size_t i = 0; i < nodes.count; i++)
		write_node(writer, &nodes.items[i]);
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

/* "c 188:* rmw", checked at create */
static void write_text_rule(Writer *writer, const char *text)
{
	char major_text[16], minor_text[16], access[8];
	DeviceRule rule = {.allow = true, .access = access};

	if (sscanf(text, "%c %15[0-9*]:%15[0-9*] %7[rwm]", &rule.type, major_text, minor_text, access) != 4)
		return;
	rule.major = major_text[0] == '*' ? -1 : atoi(major_text);
	rule.minor = minor_text[0] == '*' ? -1 : atoi(minor_text);
	write_rule(writer, &rule);
}

static fallible write_rules(Writer *writer, const BundleInput *input)
{
	const ContainerSpec *spec = input->spec;
	autoclear(DeviceNodes) nodes = {0};

	TRY(collect_devices(&nodes, spec));
	TRY(collect_edits(&nodes, input));
	for (size_t i = 0; i < COUNT(default_rules); i++)
		write_rule(writer, &default_rules[i]);
	for (size_t i = 0; i < nodes.count; i++) {
		const DeviceNode *node = &nodes.items[i];
		DeviceRule rule = {true, node->type, (int)node->major, (int)node->minor, node->permissions};
		write_rule(writer, &rule);
	}
	for (size_t i = 0; i < spec->device_rules.count; i++)
		write_text_rule(writer, spec->device_rules.items[i]);
	return NULL;
}

fallible bundle_write_device_rules(Writer *writer, const BundleInput *input)
{
	write_array(writer, "devices");
	if (input->spec->privileged)
		write_rule(writer, &all_allowed);
	else
		TRY(write_rules(writer, input));
	write_array_end(writer);
	return NULL;
}

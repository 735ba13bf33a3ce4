// SPDX-License-Identifier: Apache-2.0
#include <string.h>

#include "base/memory.h"
#include "runtime/spec.h"
#include "runtime/spec_words.h"

const char *const spec_propagations[SPEC_PROPAGATIONS] = {
	"private",
	"rprivate",
	"shared",
	"rshared",
	"slave",
	"rslave",
};

bool spec_is_propagation(const char *word)
{
	return names_find(spec_propagations, SPEC_PROPAGATIONS, word) >= 0;
}

/* SELinux labels and caching hints of other systems: taken, without effect. */
static bool is_ignored(const char *word)
{
	static const char *const ignored[] = {"z", "Z", "nocopy", "consistent", "cached", "delegated"};

	return names_find(ignored, sizeof(ignored) / sizeof(ignored[0]), word) >= 0;
}

static fallible bad_bind(const char *bind, const char *reason)
{
	return error_hint(
		error_new(ERROR_INVALID, "bind \"%s\" %s", bind, reason), "the form is source:target[:ro|rw,...]");
}

static fallible apply_option(MountSpec *mount, const char *bind, const char *word, bool *has_access)
{
	bool is_access = strcmp(word, "ro") == 0 || strcmp(word, "rw") == 0;

	if (is_access && *has_access)
		return bad_bind(bind, "says more than once whether it is read-only");
	if (is_access) {
		*has_access = true;
		mount->read_only = strcmp(word, "ro") == 0;
	} else if (mount->kind == MOUNT_VOLUME && strcmp(word, "nocopy") == 0) {
		mount->no_copy = true;
	} else if (spec_is_propagation(word)) {
		if (mount->propagation)
			return bad_bind(bind, "has more than one propagation");
		mount->propagation = mem_strdup(word);
	} else if (!is_ignored(word)) {
		return error_new(ERROR_INVALID, "bind \"%s\": option \"%s\" is unknown", bind, word);
	}
	return NULL;
}

static fallible apply_options(MountSpec *mount, const char *bind, const char *options)
{
	autoclear(StringList) words = {0};
	bool has_access = false;

	strings_split(&words, options, ',');
	for (size_t i = 0; i < words.count; i++)
		TRY(apply_option(mount, bind, words.items[i], &has_access));
	return NULL;
}

const char *mount_spec_source_kind(const MountSpec *mount)
{
	bool is_shared = mount->propagation && string_ends(mount->propagation, "shared");

	if (mount->subpath)
		return "part";
	if (is_shared)
		return mount->is_flat ? "shared-flat" : "shared";
	return mount->is_flat ? "flat" : NULL;
}

MountSpec *container_spec_add_mount(ContainerSpec *spec)
{
	spec->mounts.items = mem_array(spec->mounts.items, spec->mounts.count + 1, sizeof(MountSpec));
	MountSpec *mount = (MountSpec *)spec->mounts.items + spec->mounts.count++;

	*mount = (MountSpec){0};
	return mount;
}

const MountSpec *container_spec_mount_at(const ContainerSpec *spec, const char *target)
{
	for (size_t i = 0; i < spec->mounts.count; i++) {
		const MountSpec *mount = (const MountSpec *)spec->mounts.items + i;
		if (string_equal(mount->target, target))
			return mount;
	}
	return NULL;
}

static fallible parse_bind(ContainerSpec *spec, const char *bind)
{
	autoclear(StringList) parts = {0};

	strings_split(&parts, bind, ':');
	if (parts.count < 2)
		return bad_bind(bind, "has no target");
	if (parts.count > 3)
		return bad_bind(bind, "has more than three parts");
	if (!*parts.items[0] || !*parts.items[1])
		return bad_bind(bind, "has an empty part");
	MountSpec *mount = container_spec_add_mount(spec);
	mount->kind = parts.items[0][0] == '/' ? MOUNT_BIND : MOUNT_VOLUME;
	mount->make_source = mount->kind == MOUNT_BIND;
	mount->source = spec_clean_path(parts.items[0]);
	mount->target = spec_clean_path(parts.items[1]);
	if (parts.count < 3)
		return NULL;
	mount->mode = mem_strdup(parts.items[2]);
	return apply_options(mount, bind, parts.items[2]);
}

fallible container_spec_parse_binds(ContainerSpec *spec)
{
	for (size_t i = 0; i < spec->binds.count; i++)
		TRY(parse_bind(spec, spec->binds.items[i]));
	return NULL;
}

/* As Go's path.Clean for absolute paths: "/a//b/./c/.." becomes "/a/b". Others are left as they are. */
char *spec_clean_path(const char *path)
{
	autoclear(StringList) parts = {0}, kept = {0};

	if (path[0] != '/')
		return mem_strdup(path);
	strings_split(&parts, path, '/');
	for (size_t i = 0; i < parts.count; i++) {
		const char *part = parts.items[i];
		if (strcmp(part, "..") == 0 && kept.count)
			strings_remove(&kept, kept.count - 1);
		else if (*part && strcmp(part, ".") != 0 && strcmp(part, "..") != 0)
			strings_add(&kept, part);
	}
	autofree char *joined = strings_join(&kept, "/");
	return string_printf("/%s", joined);
}

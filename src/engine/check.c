// SPDX-License-Identifier: Apache-2.0
#include "engine/check.h"

#include <errno.h>
#include <fcntl.h>
#include <mntent.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>

#include "base/files.h"
#include "base/log.h"
#include "base/memory.h"
#include "engine/network_check.h"
#include "engine/volume_internal.h"
#include "store/check.h"

enum { MOUNT_LINE_MAX = 64 << 10 };

typedef struct Check {
	Engine *engine;
	bool repairs;
	CheckReport *report;
	void *arg;
} Check;

static void __attribute__((format(printf, 2, 3))) found(const Check *check, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	autofree char *problem = string_vprintf(format, args);
	va_end(args);
	check->report(check->arg, problem);
}

/* What cannot be put right is left, said, and found again. */
static void could_not(Error *take_error, const char *what)
{
	if (take_error)
		error_log(take_error, "could not put \"%s\" in order", what);
}

/* ---- containers ---- */

/* A run of it exists, begins or is being cleaned up: it may have a directory, a control group, a runtime's state. */
static bool has_run(const Container *container)
{
	return container_is_live(container) || container->shim || container->cleaning || container->undecided ||
	       container->launch_when_gone;
}

static bool id_has_run(const Engine *engine, const char *id)
{
	const Container *container = table_get(engine->containers, id);

	return container && has_run(container);
}

static void check_shim(const Check *check, Container *container)
{
	if (!container_is_live(container) || container->shim || container->retry || container->launch_when_gone)
		return;
	found(check, "container \"%s\" is %s on record, and nothing holds it", container->record.name,
		container_state_name(container->state));
	if (check->repairs)
		container_restore_without_shim(container);
}

static void check_exit_file(const Check *check, const Container *container)
{
	ShimStatus status;
	bool is_there;
	Error *error = has_run(container) ? NULL : shim_read_exit(&status, &is_there, container->state_directory);

	if (!error)
		return;
	found(check, "container \"%s\": %s", container->record.name, error_message(error));
	error_free(error); /* it was reported */
	autofree char *path = path_join(container->state_directory, "exit");
	if (check->repairs)
		could_not(file_unlink(AT_FDCWD, path), path);
}

static fallible check_image(const Check *check, const Container *container)
{
	autoptr(Image) image = NULL;

	TRY(image_pinned(&image, check->engine->store, container->id));
	if (!image)
		found(check, "container \"%s\": its image \"%s\" is not here: pull it again, or remove the container",
			container->record.name, container->record.image_id);
	return NULL;
}

static fallible check_containers(const Check *check)
{
	list_each(&check->engine->container_order, Container, link, container) {
		container_ref(container);
		check_shim(check, container);
		check_exit_file(check, container);
		Error *error = check_image(check, container);
		container_unref(container);
		TRY(error);
	}
	return NULL;
}

/* ---- directories of runs ---- */

/* Of a container whose record was set aside, say. Its shim removes what it has made, when the container ends. */
static bool end_unknown_run(const Check *check, const char *id)
{
	autoptr(Shim) shim = NULL;
	Error *error = unknown_run_connect(&shim, check->engine, id);

	if (!error && !shim)
		return false;
	found(check, "container \"%s\" runs, and has no record", id);
	if (!error && check->repairs)
		error = shim_signal(shim, SIGKILL);
	could_not(error, id);
	return true;
}

static Error *visit_bundle(void *arg, int dir, const char *name, unsigned char type)
{
	const Check *check = arg;
	autofree char *path = string_printf("%s/containers/%s", check->engine->config.run_dir, name);

	(void)type;
	if (id_has_run(check->engine, name) ||
		(!table_get(check->engine->containers, name) && end_unknown_run(check, name)))
		return NULL;
	found(check, "directory \"%s\" belongs to no container that runs", path);
	if (check->repairs)
		could_not(tree_remove(dir, name), path);
	return NULL;
}

static Error *visit_runtime_state(void *arg, int dir, const char *name, unsigned char type)
{
	const Check *check = arg;
	autofree char *path = string_printf("%s/runtime/%s", check->engine->config.run_dir, name);
	autofree char *bundle = string_printf("%s/containers/%s", check->engine->config.run_dir, name);

	(void)type;
	if (id_has_run(check->engine, name) || file_exists(AT_FDCWD, bundle))
		return NULL;
	found(check, "the runtime's state \"%s\" belongs to no container that runs", path);
	if (check->repairs)
		could_not(tree_remove(dir, name), path);
	return NULL;
}

static fallible check_run_directory(const Check *check)
{
	autofree char *bundles = path_join(check->engine->config.run_dir, "containers");
	autofree char *states = path_join(check->engine->config.run_dir, "runtime");

	TRY(dir_each(AT_FDCWD, bundles, visit_bundle, (void *)check));
	return dir_each(AT_FDCWD, states, visit_runtime_state, (void *)check);
}

/* ---- control groups ---- */

static fallible drop_group(const Check *check, const char *group)
{
	TRY(cgroup_kill(check->engine->cgroups, group));
	return cgroup_remove(check->engine->cgroups, group);
}

/* Containers may have parents of their own, which others may use as well: there, what we do not know is not ours. */
static bool may_be_ours(const Engine *engine, const char *parent, const char *id)
{
	if (strlen(id) != 64 || strspn(id, "0123456789abcdef") != 64)
		return false;
	return string_equal(parent, engine->config.cgroup_parent) || table_get(engine->containers, id);
}

static fallible check_groups_of(const Check *check, const char *parent)
{
	autoptr(Table) names = table_new();
	const char *id = NULL;
	void *value = NULL;

	TRY(cgroup_list(names, check->engine->cgroups, parent));
	for (size_t cursor = 0; table_next(names, &cursor, &id, &value);) {
		autofree char *group = path_join(parent, id);
		if (!may_be_ours(check->engine, parent, id) || id_has_run(check->engine, id))
			continue;
		found(check, "control group \"%s\" belongs to no container that runs", group);
		Error *error = check->repairs ? drop_group(check, group) : NULL;
		if (error && error_kind(error) == ERROR_CONFLICT)
			error = error_free(error); /* its processes are not gone yet */
		could_not(error, group);
	}
	return NULL;
}

static fallible check_groups(const Check *check)
{
	autoptr(Table) parents = table_new();
	const char *parent = NULL;
	void *value = NULL;

	table_set(parents, check->engine->config.cgroup_parent, parents);
	list_each(&check->engine->container_order, Container, link, container) {
		autofree char *own =
			mem_strndup(container->cgroup, strrchr(container->cgroup, '/') - container->cgroup);
		table_set(parents, own, parents);
	}
	for (size_t cursor = 0; table_next(parents, &cursor, &parent, &value);)
		TRY(check_groups_of(check, parent));
	return NULL;
}

/* ---- mounts: those of containers are in mount namespaces of their own ---- */

static bool is_below(const char *path, const char *directory, const char *name)
{
	autofree char *prefix = string_printf("%s/%s/", directory, name);

	return string_starts(path, prefix);
}

/* One that a container uses is mounted rightly, and one that is about to be unmounted will be. */
static bool is_idle_volume(const Engine *engine, const char *path)
{
	if (!is_below(path, store_root(engine->store), "volumes"))
		return false;
	list_each(&engine->volume_order, Volume, link, volume) {
		autofree char *data = volume_data_path(engine, volume->name);
		if (string_equal(data, path))
			return !volume->leaving && !volume_is_at_work(volume);
	}
	return true;
}

static bool is_ours(const Engine *engine, const char *path)
{
	static const char *const stored[] = {"containers", "layers", "staging", "trash"};

	for (size_t i = 0; i < sizeof(stored) / sizeof(*stored); i++)
		if (is_below(path, store_root(engine->store), stored[i]))
			return true;
	return is_below(path, engine->config.run_dir, "containers") || is_idle_volume(engine, path);
}

static fallible list_mounts(StringList *ret, const Engine *engine)
{
	FILE *file = setmntent("/proc/self/mounts", "re");
	autofree char *line = mem_alloc(MOUNT_LINE_MAX);
	struct mntent entry;

	if (!file)
		return error_errno(errno, "could not read what is mounted");
	while (getmntent_r(file, &entry, line, MOUNT_LINE_MAX))
		if (is_ours(engine, entry.mnt_dir))
			strings_add(ret, entry.mnt_dir);
	endmntent(file);
	return NULL;
}

/* The last is unmounted first: it may lie on another. */
static fallible check_mounts(const Check *check)
{
	autoclear(StringList) mounts = {0};

	TRY(list_mounts(&mounts, check->engine));
	for (size_t i = mounts.count; i-- > 0;) {
		found(check, "something is mounted on \"%s\"", mounts.items[i]);
		if (check->repairs && umount2(mounts.items[i], UMOUNT_NOFOLLOW | MNT_DETACH) < 0)
			could_not(error_errno(errno, "could not unmount"), mounts.items[i]);
	}
	return NULL;
}

/* ---- the store ---- */

/* What was removed a moment ago and waits to be collected is no problem. */
static fallible check_store(const Check *check)
{
	TRY(engine_collect_if_due(check->engine));
	TRY(store_check(check->engine->store, check->repairs, check->report, check->arg));
	return check->repairs ? volumes_restore(check->engine) : NULL; /* those that got a record again */
}

/* ---- networks ---- */

static fallible check_networks(const Check *check)
{
	const NetworkCheck networks = {check->engine, check->repairs, check->report, check->arg};

	return network_check(&networks);
}

/* Mounts first, so that nothing is removed through one. */
static Error *(*const checks[])(const Check *check) = {
	check_mounts, check_containers, check_run_directory, check_groups, check_networks, check_store};

fallible engine_check(Engine *engine, bool repair, CheckReport *report, void *arg)
{
	Check check = {.engine = engine, .repairs = repair, .report = report, .arg = arg};

	for (size_t i = 0; i < sizeof(checks) / sizeof(*checks); i++)
		TRY(checks[i](&check));
	if (repair)
		engine_sweep_soon(engine);
	return NULL;
}

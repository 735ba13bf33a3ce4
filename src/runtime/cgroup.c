// SPDX-License-Identifier: Apache-2.0
#include "runtime/cgroup.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/files.h"
#include "base/memory.h"
#include "runtime/cgroup_layout.h"

enum { PROCS_MAX = 16 << 20, KILL_ROUNDS = 1000, DEPTH_MAX = 32 };

/* ---- all groups of a tree, deepest first ---- */

typedef Error *GroupVisitor(void *arg, const char *path);

typedef struct GroupWalk {
	GroupVisitor *visit;
	void *arg;
	const char *path;
	int depth;
} GroupWalk;

static Error *walk_groups(GroupWalk *walk);

static Error *walk_child(void *arg, int dir, const char *name, unsigned char type)
{
	const GroupWalk *parent = arg;
	autofree char *path = path_join(parent->path, name);
	GroupWalk walk = {.visit = parent->visit, .arg = parent->arg, .path = path, .depth = parent->depth + 1};

	(void)dir;
	return type == DT_DIR ? walk_groups(&walk) : NULL;
}

/* Absent is fine. */
static Error *walk_groups(GroupWalk *walk)
{
	if (walk->depth > DEPTH_MAX)
		return error_new(ERROR_TOO_LARGE, "control groups below \"%s\" are nested too deeply", walk->path);
	if (!file_exists(AT_FDCWD, walk->path))
		return NULL;
	Error *error = dir_each(AT_FDCWD, walk->path, walk_child, walk);

	if (error && error_number(error) == ENOENT)
		error = error_free(error); /* somebody else removed it meanwhile */
	return error ? error : walk->visit(walk->arg, walk->path);
}

static fallible each_group(const CgroupHierarchy *hierarchy, const char *cgroup, GroupVisitor *visit, void *arg)
{
	autofree char *path = cgroup_path(hierarchy, cgroup, NULL);
	GroupWalk walk = {.visit = visit, .arg = arg, .path = path};

	return walk_groups(&walk);
}

/* ---- killing ---- */

/* The processes of a tree, each killed as it was read; sorted before it is searched. */
typedef struct Pids {
	pid_t *items;
	size_t count;
} Pids;

static void pids_clear(Pids *pids)
{
	free(pids->items);
	*pids = (Pids){0};
}
DEFINE_AUTOCLEAR(Pids, pids_clear)

static Error *kill_members(void *arg, const char *path)
{
	Pids *pids = arg;
	autofree char *file = path_join(path, "cgroup.procs"), *text = NULL;
	Error *error = file_read(&text, NULL, AT_FDCWD, file, PROCS_MAX);
	char *rest = text;

	if (error && (error_number(error) == ENOENT || error_number(error) == ENODEV))
		return error_free(error);
	if (error)
		return error;
	for (char *line; (line = strsep(&rest, "\n"));) {
		pid_t pid = (pid_t)strtol(line, NULL, 10);
		if (pid <= 0)
			continue; /* 0 is a process of another pid namespace */
		kill(pid, SIGKILL);
		pids->items = mem_array(pids->items, pids->count + 1, sizeof(pid_t));
		pids->items[pids->count++] = pid;
	}
	return NULL;
}

static int compare_pids(const void *a, const void *b)
{
	pid_t one = *(const pid_t *)a, other = *(const pid_t *)b;

	return (one > other) - (one < other);
}

/* before is sorted */
static bool has_new(const Pids *now, const Pids *before)
{
	for (size_t i = 0; i < now->count; i++)
		if (!before->count ||
			!bsearch(&now->items[i], before->items, before->count, sizeof(pid_t), compare_pids))
			return true;
	return false;
}

/*
 * A process can fork between reading and killing, so rounds go on until one sees nobody new: a process with SIGKILL
 * pending forks no more. Nobody waits here for them to be gone.
 */
static fallible kill_by_rounds(const CgroupHierarchy *hierarchy, const char *cgroup)
{
	autoclear(Pids) before = {0};

	for (int i = 0; i < KILL_ROUNDS; i++) {
		autoclear(Pids) now = {0};
		TRY(each_group(hierarchy, cgroup, kill_members, &now));
		if (!has_new(&now, &before))
			return NULL;
		qsort(now.items, now.count, sizeof(pid_t), compare_pids);
		pids_clear(&before);
		before = now;
		now = (Pids){0};
	}
	return error_new(ERROR_TIMEOUT, "processes of control group \"%s\" appear faster than they are killed", cgroup);
}

/* Frozen processes of version 1 take their signal when they are thawed. */
static Error *thaw(void *arg, const char *path)
{
	autofree char *file = path_join(path, "freezer.state");

	(void)arg;
	return file_exists(AT_FDCWD, file) ? file_poke(AT_FDCWD, file, "THAWED") : NULL;
}

static const CgroupHierarchy *choose_for_killing(const CgroupLayout *layout)
{
	static const char *const preferred[] = {"freezer", "pids", "memory", "cpu"};
	const CgroupHierarchy *found = NULL;

	for (size_t i = 0; !found && i < sizeof(preferred) / sizeof(preferred[0]); i++)
		found = cgroup_hierarchy(layout, preferred[i]);
	return found ? found : &layout->items[0];
}

/* cgroup.kill (Linux 5.14, version 2) kills a whole tree at once; true if it is there and did. */
static bool kill_at_once(const CgroupLayout *layout, const char *cgroup)
{
	for (size_t i = 0; i < layout->count; i++) {
		if (!layout->items[i].is_v2)
			continue;
		autofree char *path = cgroup_path(&layout->items[i], cgroup, "cgroup.kill");
		if (!file_exists(AT_FDCWD, path))
			continue;
		Error *error = file_poke(AT_FDCWD, path, "1");
		bool done = !error;
		error_free(error); /* the rounds will say why */
		return done;
	}
	return false;
}

fallible cgroup_kill(const CgroupLayout *layout, const char *cgroup)
{
	const CgroupHierarchy *chosen = choose_for_killing(layout);

	if (kill_at_once(layout, cgroup) && cgroup_is_v2(layout))
		return NULL;
	TRY(kill_by_rounds(chosen, cgroup));
	return chosen->is_v2 ? NULL : each_group(chosen, cgroup, thaw, NULL);
}

/* ---- listing ---- */

static Error *add_name(void *arg, int dir, const char *name, unsigned char type)
{
	(void)dir;
	if (type == DT_DIR)
		table_set(arg, name, arg);
	return NULL;
}

fallible cgroup_list(Table *ret_names, const CgroupLayout *layout, const char *parent)
{
	for (size_t i = 0; i < layout->count; i++) {
		autofree char *path = cgroup_path(&layout->items[i], parent, NULL);
		if (file_exists(AT_FDCWD, path))
			TRY(dir_each(AT_FDCWD, path, add_name, ret_names));
	}
	return NULL;
}

/* ---- removing and making ---- */

static Error *remove_group(void *arg, const char *path)
{
	(void)arg;
	if (rmdir(path) == 0 || errno == ENOENT)
		return NULL;
	if (errno == EBUSY || errno == ENOTEMPTY)
		return error_new(ERROR_CONFLICT, "control group \"%s\" still has processes", path);
	return error_errno(errno, "could not remove control group \"%s\"", path);
}

fallible cgroup_remove(const CgroupLayout *layout, const char *cgroup)
{
	for (size_t i = 0; i < layout->count; i++)
		TRY(each_group(&layout->items[i], cgroup, remove_group, NULL));
	return NULL;
}

/* A new cpuset group of version 1 has no CPU at all; it gets its parent's. */
static fallible inherit_cpuset(
	const CgroupHierarchy *hierarchy, const char *parent, const char *cgroup, const char *file)
{
	autofree char *to = cgroup_path(hierarchy, cgroup, file), *from = cgroup_path(hierarchy, parent, file);
	autofree char *text = NULL, *current = NULL;

	TRY(file_read(&current, NULL, AT_FDCWD, to, PROCS_MAX));
	if (*string_trim(current))
		return NULL;
	TRY(file_read(&text, NULL, AT_FDCWD, from, PROCS_MAX));
	return file_poke(AT_FDCWD, to, string_trim(text));
}

/* Each controller on its own: one that cannot be had must not cost the others. */
static void enable_controllers(const CgroupHierarchy *hierarchy, const char *cgroup)
{
	autofree char *path = cgroup_path(hierarchy, cgroup, "cgroup.subtree_control");

	for (size_t i = 0; i < hierarchy->controllers.count; i++) {
		autofree char *word = string_printf("+%s", hierarchy->controllers.items[i]);
		Error *error = file_poke(AT_FDCWD, path, word);
		if (error)
			error_log(error, "control group \"%s\" goes without controller %s", cgroup, word + 1);
	}
}

static fallible make_level(const CgroupHierarchy *hierarchy, const char *parent, const char *cgroup)
{
	autofree char *path = cgroup_path(hierarchy, cgroup, NULL);

	if (hierarchy->is_v2)
		enable_controllers(hierarchy, parent);
	TRY(dir_make(AT_FDCWD, path, 0755));
	if (hierarchy->is_v2 || !strings_has(&hierarchy->controllers, "cpuset"))
		return NULL;
	TRY(inherit_cpuset(hierarchy, parent, cgroup, "cpuset.cpus"));
	return inherit_cpuset(hierarchy, parent, cgroup, "cpuset.mems");
}

static fallible make_in(const CgroupHierarchy *hierarchy, const char *cgroup)
{
	autofree char *parent = mem_strdup(""), *level = NULL;

	for (const char *at = cgroup + strspn(cgroup, "/"); *at; at += strspn(at, "/")) {
		size_t length = strcspn(at, "/");
		free(level);
		level = string_printf("%s/%.*s", parent, (int)length, at);
		TRY(make_level(hierarchy, parent, level));
		string_replace(&parent, level);
		at += length;
	}
	if (hierarchy->is_v2)
		enable_controllers(hierarchy, cgroup);
	return NULL;
}

fallible cgroup_make_parent(CgroupLayout *layout, const char *parent)
{
	for (size_t i = 0; i < layout->count; i++)
		TRY(make_in(&layout->items[i], parent));
	cgroup_layout_read_swap(layout);
	return NULL;
}

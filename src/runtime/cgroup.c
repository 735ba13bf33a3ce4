// SPDX-License-Identifier: Apache-2.0
#include "runtime/cgroup.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/files.h"
#include "base/memory.h"
#include "runtime/cgroup_layout.h"

enum { PROCS_MAX = 16 << 20, KILL_ROUNDS = 200, KILL_PAUSE_MS = 5, DEPTH_MAX = 32 };

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

/* arg counts the processes that were there. */
static Error *kill_members(void *arg, const char *path)
{
	size_t *count = arg;
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
		(*count)++;
	}
	return NULL;
}

/* A process can fork between reading and killing, so rounds go on until none is left. */
static fallible kill_by_rounds(const CgroupHierarchy *hierarchy, const char *cgroup)
{
	const struct timespec pause = {.tv_nsec = KILL_PAUSE_MS * 1000000L};

	for (int i = 0; i < KILL_ROUNDS; i++) {
		size_t count = 0;
		TRY(each_group(hierarchy, cgroup, kill_members, &count));
		if (!count)
			return NULL;
		nanosleep(&pause, NULL);
	}
	return error_new(ERROR_TIMEOUT, "could not kill all processes of control group \"%s\"", cgroup);
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
	if (kill_at_once(layout, cgroup) && cgroup_is_v2(layout))
		return NULL;
	return kill_by_rounds(choose_for_killing(layout), cgroup);
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

fallible cgroup_make_parent(const CgroupLayout *layout, const char *parent)
{
	for (size_t i = 0; i < layout->count; i++)
		TRY(make_in(&layout->items[i], parent));
	return NULL;
}

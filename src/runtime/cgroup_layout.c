// SPDX-License-Identifier: Apache-2.0
#include "runtime/cgroup_layout.h"

#include <fcntl.h>
#include <string.h>

#include "base/files.h"
#include "base/memory.h"

enum { MOUNTINFO_MAX = 16 << 20, CONTROLLERS_MAX = 4096, HIERARCHIES_MAX = 64 };

static const char *const known_controllers[] = {
	"cpu",
	"cpuacct",
	"cpuset",
	"memory",
	"devices",
	"freezer",
	"blkio",
	"pids",
	"hugetlb",
	"net_cls",
	"net_prio",
	"perf_event",
	"rdma",
	"misc",
};

static bool is_controller(const char *option)
{
	return names_find(known_controllers, sizeof(known_controllers) / sizeof(known_controllers[0]), option) >= 0;
}

/* mountinfo writes white space in paths as \040 and the like. */
static void unescape(char *text)
{
	char *to = text;

	for (const char *from = text; *from; to++) {
		unsigned code = 0;
		if (from[0] == '\\' && strspn(from + 1, "01234567") >= 3) {
			for (int i = 1; i <= 3; i++)
				code = code * 8 + (unsigned)(from[i] - '0');
			*to = (char)code;
			from += 4;
		} else {
			*to = *from++;
		}
	}
	*to = '\0';
}

static fallible read_v2_controllers(StringList *ret, const char *mount)
{
	autofree char *path = path_join(mount, "cgroup.controllers"), *text = NULL;

	TRY(file_read(&text, NULL, AT_FDCWD, path, CONTROLLERS_MAX));
	strings_split(ret, string_trim(text), ' ');
	return NULL;
}

static bool is_mounted(const CgroupLayout *layout, const char *mount)
{
	for (size_t i = 0; i < layout->count; i++)
		if (string_equal(layout->items[i].mount, mount))
			return true;
	return false;
}

static CgroupHierarchy *add_hierarchy(CgroupLayout *layout, const char *mount, bool is_v2)
{
	layout->items = mem_array(layout->items, layout->count + 1, sizeof(*layout->items));
	CgroupHierarchy *hierarchy = &layout->items[layout->count++];

	*hierarchy = (CgroupHierarchy){.mount = mem_strdup(mount), .is_v2 = is_v2};
	return hierarchy;
}

static void read_v1_controllers(CgroupLayout *layout, CgroupHierarchy *hierarchy, char *options)
{
	for (char *option; (option = strsep(&options, ","));) {
		if (!is_controller(option) && !string_starts(option, "name="))
			continue;
		layout->v1_controllers |= is_controller(option);
		strings_add(&hierarchy->controllers, option);
	}
}

/* "31 23 0:28 / /sys/fs/cgroup/cpu rw,relatime shared:9 - cgroup cgroup rw,cpu". Source: proc(5). */
static fallible read_line(CgroupLayout *layout, char *line)
{
	char *fields[5], *type, *tail = strstr(line, " - ");

	for (size_t i = 0; i < 5; i++)
		fields[i] = strsep(&line, " ");
	if (!fields[4] || !tail || tail < fields[4])
		return NULL;
	tail += 3;
	type = strsep(&tail, " ");
	bool is_v2 = string_equal(type, "cgroup2");
	if (!is_v2 && !string_equal(type, "cgroup"))
		return NULL;
	unescape(fields[4]);
	strsep(&tail, " ");
	if (layout->count == HIERARCHIES_MAX || is_mounted(layout, fields[4]))
		return NULL;
	CgroupHierarchy *hierarchy = add_hierarchy(layout, fields[4], is_v2);
	if (is_v2)
		return read_v2_controllers(&hierarchy->controllers, fields[4]);
	read_v1_controllers(layout, hierarchy, tail);
	return NULL;
}

typedef struct FileSearch {
	const char *file;
	bool found;
} FileSearch;

static Error *visit_group(void *arg, int dir, const char *name, unsigned char type)
{
	FileSearch *search = arg;
	autofree char *path = path_join(name, search->file);

	(void)type;
	search->found = search->found || file_exists(dir, path);
	return NULL;
}

/* The root of v2 has no memory.swap.max; any group below it tells. */
static bool has_child_file(const char *mount, const char *file)
{
	FileSearch search = {.file = file};
	Error *error = dir_each(AT_FDCWD, mount, visit_group, &search);

	error_free(error); /* an unreadable hierarchy limits nothing */
	return search.found;
}

void cgroup_layout_read_swap(CgroupLayout *layout)
{
	const CgroupHierarchy *memory = cgroup_hierarchy(layout, "memory");
	autofree char *path = memory ? path_join(memory->mount, "memory.memsw.limit_in_bytes") : NULL;

	layout->limits_swap = memory && (memory->is_v2 ? has_child_file(memory->mount, "memory.swap.max")
						       : file_exists(AT_FDCWD, path));
}

fallible cgroup_layout_parse(CgroupLayout **ret, const char *mountinfo)
{
	autoptr(CgroupLayout) layout = mem_new(CgroupLayout);
	autofree char *copy = mem_strdup(mountinfo);
	char *text = copy;

	for (char *line; (line = strsep(&text, "\n"));)
		TRY(read_line(layout, line));
	if (!layout->count)
		return error_hint(error_new(ERROR_UNAVAILABLE, "no control group hierarchy is mounted"),
			"mount cgroup2 at /sys/fs/cgroup");
	cgroup_layout_read_swap(layout);
	*ret = take(layout);
	return NULL;
}

fallible cgroup_layout_read(CgroupLayout **ret)
{
	autofree char *mountinfo = NULL;

	TRY(file_read(&mountinfo, NULL, AT_FDCWD, "/proc/self/mountinfo", MOUNTINFO_MAX));
	return cgroup_layout_parse(ret, mountinfo);
}

CgroupLayout *cgroup_layout_free(CgroupLayout *layout)
{
	if (!layout)
		return NULL;
	for (size_t i = 0; i < layout->count; i++) {
		free(layout->items[i].mount);
		strings_clear(&layout->items[i].controllers);
	}
	free(layout->items);
	free(layout);
	return NULL;
}

bool cgroup_is_v2(const CgroupLayout *layout)
{
	return !layout->v1_controllers;
}

/* v2 calls block I/O "io" and has cpuacct within cpu, devices and freezer without a controller. */
static const char *v2_name(const char *controller)
{
	if (strcmp(controller, "blkio") == 0)
		return "io";
	return strcmp(controller, "cpuacct") == 0 ? "cpu" : controller;
}

static bool holds(const CgroupHierarchy *hierarchy, const char *controller)
{
	return strings_has(&hierarchy->controllers, hierarchy->is_v2 ? v2_name(controller) : controller);
}

const CgroupHierarchy *cgroup_hierarchy(const CgroupLayout *layout, const char *controller)
{
	for (size_t i = 0; i < layout->count; i++)
		if (holds(&layout->items[i], controller))
			return &layout->items[i];
	return NULL;
}

bool cgroup_has(const CgroupLayout *layout, const char *controller)
{
	return cgroup_hierarchy(layout, controller) != NULL;
}

bool cgroup_limits_swap(const CgroupLayout *layout)
{
	return layout->limits_swap;
}

char *cgroup_path(const CgroupHierarchy *hierarchy, const char *cgroup, const char *file)
{
	return string_printf(
		"%s/%s%s%s", hierarchy->mount, cgroup + strspn(cgroup, "/"), file ? "/" : "", file ? file : "");
}

static fallible refuse_crun(const char *mount, const char *controller)
{
	return error_hint(error_new(ERROR_UNAVAILABLE,
				  "crun cannot run containers while \"%s\" holds the controller \"%s\" beside control "
				  "groups of version 1",
				  mount, controller),
		"use runc, boot with version 2 alone, or mount that controller in version 1: mount -t cgroup -o %s "
		"cgroup "
		"/sys/fs/cgroup/%s",
		controller, controller);
}

/* Asks anew, so that what the hint says helps without a restart. */
fallible cgroup_check_crun(const CgroupLayout *layout)
{
	for (size_t i = 0; layout->v1_controllers && i < layout->count; i++) {
		autoclear(StringList) controllers = {0};
		if (!layout->items[i].is_v2)
			continue;
		TRY(read_v2_controllers(&controllers, layout->items[i].mount));
		if (controllers.count)
			return refuse_crun(layout->items[i].mount, controllers.items[0]);
	}
	return NULL;
}

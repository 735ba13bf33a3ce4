// SPDX-License-Identifier: Apache-2.0
/* Source: kernel Documentation/admin-guide/cgroup-v1/freezer-subsystem.rst; cgroup-v2.rst, cgroup.freeze and
 * cgroup.events. */
#include <fcntl.h>
#include <string.h>

#include "base/files.h"
#include "runtime/cgroup_layout.h"

enum { STATE_MAX = 4096 };

/* Version 2 freezes without a controller, so any of its hierarchies will do. */
static const CgroupHierarchy *freezer(const CgroupLayout *layout)
{
	const CgroupHierarchy *found = cgroup_hierarchy(layout, "freezer");

	for (size_t i = 0; !found && i < layout->count; i++)
		if (layout->items[i].is_v2)
			found = &layout->items[i];
	return found;
}

fallible cgroup_freeze(const CgroupLayout *layout, const char *cgroup, bool frozen)
{
	const CgroupHierarchy *hierarchy = freezer(layout);

	if (!hierarchy)
		return error_new(ERROR_UNSUPPORTED, "this host has no freezer among its control groups");
	autofree char *path = cgroup_path(hierarchy, cgroup, hierarchy->is_v2 ? "cgroup.freeze" : "freezer.state");
	if (hierarchy->is_v2)
		return file_poke(AT_FDCWD, path, frozen ? "1" : "0");
	return file_poke(AT_FDCWD, path, frozen ? "FROZEN" : "THAWED");
}

bool cgroup_is_frozen(const CgroupLayout *layout, const char *cgroup)
{
	const CgroupHierarchy *hierarchy = freezer(layout);
	autofree char *path = NULL, *text = NULL;

	if (!hierarchy)
		return false;
	path = cgroup_path(hierarchy, cgroup, hierarchy->is_v2 ? "cgroup.events" : "freezer.state");
	error_free(file_read(&text, NULL, AT_FDCWD, path, STATE_MAX)); /* no such group: nothing is frozen */
	return text && strstr(text, hierarchy->is_v2 ? "frozen 1" : "FROZEN");
}

// SPDX-License-Identifier: Apache-2.0
#pragma once
/* What the files of cgroup share: the hierarchies as found, and paths within them. */
#include "base/strings.h"
#include "runtime/cgroup.h"

typedef struct CgroupHierarchy {
	char *mount;            /* where it is mounted: "/sys/fs/cgroup/memory" */
	StringList controllers; /* v1: "cpu", "cpuacct", "name=systemd"; v2: what cgroup.controllers says */
	bool is_v2;
} CgroupHierarchy;

struct CgroupLayout {
	CgroupHierarchy *items;
	size_t count;
	bool v1_controllers; /* some v1 hierarchy holds one */
	bool limits_swap;
};

/* The hierarchy of a controller; NULL when none has it. */
const CgroupHierarchy *cgroup_hierarchy(const CgroupLayout *layout, const char *controller);
/* Looks anew whether swap can be limited. */
void cgroup_layout_read_swap(CgroupLayout *layout);
/* "<mount>/<cgroup>[/<file>]"; file may be NULL */
char *cgroup_path(const CgroupHierarchy *hierarchy, const char *cgroup, const char *file);

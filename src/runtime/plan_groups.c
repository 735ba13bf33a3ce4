// SPDX-License-Identifier: Apache-2.0
#include <inttypes.h>
#include <stdio.h>

#include "base/memory.h"
#include "base/strings.h"
#include "runtime/cgroup_layout.h"
#include "runtime/plan_parts.h"

/* ---- limits: a member of resources, the controller that has it, and its file ---- */

/* In the order of writing: memory and swap together may not be less than memory. */
static const struct {
	const char *object, *member, *controller, *file;
} limits[] = {
	{"memory", "limit", "memory", "memory.limit_in_bytes"},
	{"memory", "swap", "memory", "memory.memsw.limit_in_bytes"},
	{"memory", "reservation", "memory", "memory.soft_limit_in_bytes"},
	{"cpu", "shares", "cpu", "cpu.shares"},
	{"cpu", "period", "cpu", "cpu.cfs_period_us"},
	{"cpu", "quota", "cpu", "cpu.cfs_quota_us"},
	{"cpu", "cpus", "cpuset", "cpuset.cpus"},
	{"cpu", "mems", "cpuset", "cpuset.mems"},
	{"pids", "limit", "pids", "pids.max"},
};

static bool plan_limit(Plan *plan, const char *cgroup, size_t at, const Value *value)
{
	const CgroupHierarchy *hierarchy = cgroup_hierarchy(plan->cgroups, limits[at].controller);
	char number[32];

	if (!hierarchy || hierarchy->is_v2)
		return false;
	autofree char *path = cgroup_path(hierarchy, cgroup, limits[at].file);
	snprintf(number, sizeof(number), "%" PRId64, value_int(value, 0));
	STEP(plan, "write", path, value_is_number(value) ? number : value_string(value));
	return true;
}

static bool has_limit(const char *object, const char *member)
{
	for (size_t i = 0; i < COUNT(limits); i++)
		if (string_equal(limits[i].object, object) && string_equal(limits[i].member, member))
			return true;
	return false;
}

static bool knows_limits(const Value *resources)
{
	const char *object, *member;
	Value *members, *value;

	for (size_t cursor = 0; value_each(resources, &cursor, &object, &members);)
		for (size_t inner = 0; !value_is_array(members) && value_each(members, &inner, &member, &value);)
			if (!has_limit(object, member))
				return false;
	return true;
}

static bool plan_limits(Plan *plan, const char *cgroup, const Value *resources)
{
	if (!knows_limits(resources))
		return false;
	for (size_t i = 0; i < COUNT(limits); i++) {
		const Value *value = value_get(value_get(resources, limits[i].object), limits[i].member);
		if (value && !plan_limit(plan, cgroup, i, value))
			return false;
	}
	return true;
}

/* ---- devices ---- */

/* What every container has, after the rules that are its own: any node may be made, these may be used. */
static const char *const always_allowed[] = {"c *:* m", "b *:* m", "c 1:3 rwm", "c 1:8 rwm", "c 1:7 rwm", "c 5:0 rwm",
	"c 1:5 rwm", "c 1:9 rwm", "c 5:1 rwm", "c 136:* rwm", "c 5:2 rwm"};

static void device_number(char ret[32], const Value *number)
{
	if (number)
		snprintf(ret, 32, "%" PRId64, value_int(number, -1));
	else
		snprintf(ret, 32, "*");
}

static bool plan_device_rule(Plan *plan, const char *allow, const char *deny, const Value *rule)
{
	const char *type = value_string(value_get(rule, "type")), *access = value_string(value_get(rule, "access"));
	char major[32], minor[32];

	if (!KNOWS(rule, "allow", "type", "major", "minor", "access") || !access)
		return false;
	device_number(major, value_get(rule, "major"));
	device_number(minor, value_get(rule, "minor"));
	autofree char *text =
		type && *type != 'a' ? string_printf("%s %s:%s %s", type, major, minor, access) : string_printf("a");
	STEP(plan, "write", value_bool(value_get(rule, "allow"), false) ? allow : deny, text);
	return true;
}

static bool plan_device_rules(Plan *plan, const char *cgroup, const Value *rules)
{
	const CgroupHierarchy *hierarchy = cgroup_hierarchy(plan->cgroups, "devices");

	if (!hierarchy || hierarchy->is_v2 || !value_count(rules))
		return false;
	autofree char *allow = cgroup_path(hierarchy, cgroup, "devices.allow");
	autofree char *deny = cgroup_path(hierarchy, cgroup, "devices.deny");
	for (size_t i = 0; i < value_count(rules); i++)
		if (!plan_device_rule(plan, allow, deny, value_at(rules, i)))
			return false;
	for (size_t i = 0; i < COUNT(always_allowed); i++)
		STEP(plan, "write", allow, always_allowed[i]);
	return true;
}

/* ---- groups ---- */

/* A new cpuset of version 1 is empty: it gets what its parent has. */
static void plan_group(Plan *plan, const CgroupHierarchy *hierarchy, const char *cgroup)
{
	autofree char *path = cgroup_path(hierarchy, cgroup, NULL);

	STEP(plan, hierarchy->is_v2 ? "born-in" : "join", path);
	if (hierarchy->is_v2 || !strings_has(&hierarchy->controllers, "cpuset"))
		return;
	STEP(plan, "inherit", path, "cpuset.cpus");
	STEP(plan, "inherit", path, "cpuset.mems");
}

bool plan_groups(Plan *plan, const Value *linux_part)
{
	const char *cgroup = value_string(value_get(linux_part, "cgroupsPath"));
	const Value *resources = value_get(linux_part, "resources");

	if (!cgroup || !KNOWS(resources, "devices", "memory", "cpu", "pids"))
		return false;
	for (size_t i = 0; i < plan->cgroups->count; i++)
		plan_group(plan, &plan->cgroups->items[i], cgroup);
	return plan_device_rules(plan, cgroup, value_get(resources, "devices")) && plan_limits(plan, cgroup, resources);
}

void plan_groups_enter(Plan *plan, const char *cgroup)
{
	STEP(plan, "group-name", cgroup);
	for (size_t i = 0; i < plan->cgroups->count; i++) {
		autofree char *path = cgroup_path(&plan->cgroups->items[i], cgroup, NULL);
		STEP(plan, plan->cgroups->items[i].is_v2 ? "open-born-in" : "enter-group", path);
	}
}

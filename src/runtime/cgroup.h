// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Control groups v1, v2 and the hybrid where v2 holds no controllers: finding the hierarchies, reading statistics,
 * killing and removing what is left. kedge's containers live in "<parent>/<64 hex id>". Source: kernel
 * Documentation/admin-guide/cgroup-v1, cgroup-v2.rst.
 */
#include <stdbool.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/table.h"

typedef struct CgroupLayout CgroupLayout;

fallible cgroup_layout_read(CgroupLayout **ret);                         /* from /proc/self/mountinfo */
fallible cgroup_layout_parse(CgroupLayout **ret, const char *mountinfo); /* from a text of that form */
CgroupLayout *cgroup_layout_free(CgroupLayout *layout);
DEFINE_AUTOPTR(CgroupLayout, cgroup_layout_free)
bool cgroup_is_v2(const CgroupLayout *layout); /* the unified hierarchy holds the controllers */
bool cgroup_has(const CgroupLayout *layout, const char *controller);
bool cgroup_limits_swap(const CgroupLayout *layout); /* memory+swap can be limited */
/* crun starts nothing when v2 holds controllers beside v1 hierarchies: an ERROR_UNAVAILABLE with a hint then. */
fallible cgroup_check_crun(const CgroupLayout *layout);

enum { STAT_MEMORY_MAX = 96, STAT_IO_MAX = 64, STAT_CPUS_MAX = 256 };

/* A line of memory.stat. */
typedef struct StatNumber {
	char name[32];
	int64_t value;
} StatNumber;

/* What one kind of operation has done on one device: "Read", "Write", "Sync", ... (v1), "read", "write" (v2). */
typedef struct StatIo {
	unsigned major, minor;
	char operation[12];
	int64_t value;
} StatIo;

typedef struct StatIoList {
	StatIo items[STAT_IO_MAX];
	size_t count;
} StatIoList;

typedef struct CgroupStats {
	int64_t cpu_total_ns, cpu_user_ns, cpu_system_ns;
	int64_t cpu_periods, cpu_throttled_periods, cpu_throttled_ns;
	int64_t cpu_each_ns[STAT_CPUS_MAX]; /* v1 alone */
	size_t cpu_count;
	int64_t memory_usage, memory_max_usage, memory_limit; /* limit 0: none */
	int64_t memory_swap;                                  /* v2 alone: v1 has it in `memory` */
	int64_t memory_oom_kills;
	StatNumber memory[STAT_MEMORY_MAX]; /* the whole memory.stat */
	size_t memory_count;
	int64_t pids_current, pids_limit; /* limit 0: none */
	StatIoList io_bytes, io_operations;
} CgroupStats;

/* Absent controllers read as 0; no such group is an ERROR_NOT_FOUND. */
fallible cgroup_stats_read(CgroupStats *ret, const CgroupLayout *layout, const char *cgroup);
/* Path of the file with the "oom_kill N" line (memory.oom_control, memory.events); NULL without a memory controller. */
char *cgroup_oom_file(const CgroupLayout *layout, const char *cgroup);
/*
 * Freezes the group and all below it, or thaws it. Freezing takes effect a moment later, as cgroup_is_frozen() tells; a
 * hierarchy of version 1 wants to be asked again until then. Without a freezer: ERROR_UNSUPPORTED.
 */
fallible cgroup_freeze(const CgroupLayout *layout, const char *cgroup, bool frozen);
bool cgroup_is_frozen(const CgroupLayout *layout, const char *cgroup); /* false, too, where it cannot be told */
/* SIGKILL to every process of the group and below, frozen ones too; does not wait. 0 processes and no group are fine.
 */
fallible cgroup_kill(const CgroupLayout *layout, const char *cgroup);
/* Names of the groups directly below parent, whatever the hierarchy: keys of ret_names. */
fallible cgroup_list(Table *ret_names, const CgroupLayout *layout, const char *parent);
/* rmdir in every hierarchy; absent is fine; busy is an ERROR_CONFLICT. */
fallible cgroup_remove(const CgroupLayout *layout, const char *cgroup);
/* v2: enables controllers below it. A layout knows whether swap can be limited only once some group is there. */
fallible cgroup_make_parent(CgroupLayout *layout, const char *parent);

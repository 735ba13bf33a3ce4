// SPDX-License-Identifier: Apache-2.0
#pragma once
/* What the files of plan share: steps are added in the order in which they are taken. */
#include <stdbool.h>
#include <stddef.h>

#include "base/buffer.h"
#include "runtime/cgroup.h"
#include "json/value.h"

typedef struct Plan {
	Buffer *out;
	const CgroupLayout *cgroups;
	bool is_unknown; /* something came that is left to the runtime */
} Plan;

void plan_step(Plan *plan, const char *name, const char *const *fields, size_t count);
#define STEP(plan, name, ...)                                                                                          \
	plan_step(plan, name, (const char *const[]){__VA_ARGS__},                                                      \
		sizeof((const char *const[]){__VA_ARGS__}) / sizeof(char *))

bool plan_knows(const Value *object, const char *const *keys, size_t count);
#define KNOWS(object, ...)                                                                                             \
	plan_knows(object, (const char *const[]){__VA_ARGS__},                                                         \
		sizeof((const char *const[]){__VA_ARGS__}) / sizeof(char *))

/* False: not ordinary. */
bool plan_groups(Plan *plan, const Value *linux_part);
void plan_groups_enter(Plan *plan, const char *cgroup); /* those of a container that runs */
void plan_bind_sources(Plan *plan, const Value *mounts);
bool plan_mounts(Plan *plan, const Value *mounts);

// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * An ordinary container as a list of steps that kedge-shim takes by itself, without a runtime (shim/native.h, and
 * shim/native_steps.c for the steps). It is made from the config.json that a runtime would be given, and of each of its
 * members known: what has a member or a value that is not known here is not ordinary, and is left to the runtime. What
 * the steps make must not differ from what crun makes of the same file, but for being stricter.
 */
#include <stdbool.h>

#include "base/buffer.h"
#include "runtime/cgroup.h"

typedef struct PlanInput {
	const char *id;
	const char *bundle;
	const Buffer *config; /* config.json */
	const CgroupLayout *cgroups;
} PlanInput;

/* *ret_is_ordinary false: out is of no use. Version 2 of control groups alone is not ordinary yet, nor is a
 * kernel before 5.12. */
void plan_write(Buffer *out, bool *ret_is_ordinary, const PlanInput *input);

typedef struct PlanExecInput {
	const char *id;
	int64_t pid;           /* of the container's init, which was started from a plan */
	const char *cgroup;    /* the container's */
	const Buffer *process; /* the OCI process, JSON */
	const char *filter;    /* base64 of the container's filter; NULL: none */
	const CgroupLayout *cgroups;
} PlanExecInput;

/* The same for a command in such a container. */
void plan_exec_write(Buffer *out, bool *ret_is_ordinary, const PlanExecInput *input);

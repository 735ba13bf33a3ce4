// SPDX-License-Identifier: Apache-2.0
#pragma once
/* What the files of native share: the container on its way, and what each step does. */
#include <stdint.h>

#include "base/buffer.h"
#include "base/strings.h"
#include "shim/launch.h"
#include "shim/settings.h"

enum { NATIVE_TREES_MAX = 256, NATIVE_GROUPS_MAX = 1024, NATIVE_FIELDS_MAX = 5 };

typedef struct Native {
	const ShimSettings *settings;
	ProgramStreams streams;
	int report;
	/* before */
	uint64_t namespaces; /* flags of clone(2) */
	int born_in;         /* directory of the control group of version 2; -1: none */
	const char *group;   /* of a container that is entered */
	int target;          /* pidfd of its init; -1: none */
	const char *record;
	/* inside: mounts that were taken along, and how many have found their place */
	int trees[NATIVE_TREES_MAX];
	size_t tree_count, placed;
	int null; /* the container's own /dev/null, once something is masked; -1 */
	/* inside: what is done at the end, in an order of its own */
	StringList env, arguments;
	const char *filter, *directory;
	bool no_new_privileges;
	uid_t uid;
	gid_t gid, groups[NATIVE_GROUPS_MAX];
	size_t group_count;
	uint64_t bounding, effective, permitted;
} Native;

typedef Error *NativeStep(Native *native, const char *const *fields);

/* native_groups.c */
NativeStep native_make_group, native_join_group, native_make_born_in, native_inherit, native_write;
/* native_enter.c: a container that runs */
NativeStep native_read_group_name, native_open_born_in, native_find, native_enter;
/* native_root.c */
NativeStep native_take_tree, native_pivot, native_mount, native_place, native_remount, native_device, native_link,
	native_mask, native_read_only;
/* native_process.c */
NativeStep native_join_keyring, native_own_cgroups, native_loopback, native_sysctl, native_oom_score, native_hostname,
	native_limit, native_read_env, native_read_argument, native_read_directory, native_read_cwd, native_read_filter,
	native_read_no_new_privileges, native_read_group, native_read_user, native_read_capabilities;
/* Inside, before any step: all other descriptors are closed. */
fallible native_keep_streams(Native *native);
/* Does not come back when all is well. */
fallible native_execute(Native *native);
fallible native_decode_filter(Buffer *ret, const Native *native); /* empty: there is none */

/* native_steps.c: takes all steps of a plan, before (NULL for what is not yet due) or inside */
fallible native_take_steps(Native *native, const char *plan, size_t length, bool is_inside);

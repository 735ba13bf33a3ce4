// SPDX-License-Identifier: Apache-2.0
#include "shim/native_steps.h"

#include <stdlib.h>
#include <string.h>

static Error *read_record(Native *native, const char *const *fields)
{
	native->record = fields[0];
	return NULL;
}

static Error *read_namespaces(Native *native, const char *const *fields)
{
	native->namespaces = strtoull(fields[0], NULL, 10);
	return NULL;
}

static const struct {
	const char *name;
	size_t fields;
	NativeStep *before, *inside; /* NULL: nothing to do then */
} steps[] = {
	{"record", 1, read_record, NULL},                       /* the rest of crun's record, after pid and start */
	{"join", 1, native_make_group, native_join_group},      /* directory of a group of version 1 */
	{"inherit", 2, native_inherit, NULL},                   /* directory, file: gets the content of the parent's */
	{"born-in", 1, native_make_born_in, NULL},              /* directory of a group of version 2 */
	{"group-name", 1, native_read_group_name, NULL},        /* as it stands in /proc/PID/cgroup of its processes */
	{"enter-group", 1, NULL, native_join_group},            /* directory of a group of version 1, which is there */
	{"open-born-in", 1, native_open_born_in, NULL},         /* the same of version 2 */
	{"enter", 1, native_find, native_enter},                /* pid of a container's init: its namespaces */
	{"write", 2, native_write, NULL},                       /* file of a group, text */
	{"keyring", 1, NULL, native_join_keyring},              /* name */
	{"namespaces", 1, read_namespaces, native_own_cgroups}, /* flags of clone(2), without the control groups' */
	{"loopback", 1, NULL, native_loopback},                 /* interface */
	{"sysctl", 2, NULL, native_sysctl},                     /* path below /proc/sys, text */
	{"tree", 2, NULL, native_take_tree},                    /* the host's path; "one" or "all" below it too */
	{"pivot", 1, NULL, native_pivot},                       /* the host's path of the root */
	{"mount", 5, NULL, native_mount},                       /* source, target, type, flags of mount(2), data */
	{"place", 2, NULL, native_place},                       /* target of the next tree; "ro" or "rw" */
	{"remount", 2, NULL, native_remount},                   /* path, "ro" or "ro,nosuid,nodev,noexec" */
	{"device", 3, NULL, native_device},                     /* path, major, minor: a character device for all */
	{"link", 2, NULL, native_link},                         /* target, path */
	{"mask", 1, NULL, native_mask},                         /* path */
	{"readonly", 1, NULL, native_read_only},                /* path */
	{"oom-score", 1, NULL, native_oom_score}, {"hostname", 1, NULL, native_hostname},
	{"directory", 1, NULL, native_read_directory}, /* working directory, made if absent */
	{"cwd", 1, NULL, native_read_cwd},             /* working directory, which is there */
	{"env", 1, NULL, native_read_env}, {"arg", 1, NULL, native_read_argument},
	{"no-new-privileges", 1, NULL, native_read_no_new_privileges},
	{"filter", 1, native_read_filter, native_read_filter}, /* struct sock_filter[] as base64 */
	{"limit", 3, NULL, native_limit},                      /* number of the resource, soft, hard */
	{"group", 1, NULL, native_read_group}, {"user", 2, NULL, native_read_user}, /* uid, gid */
	{"capabilities", 3, NULL, native_read_capabilities}, /* bounding, effective, permitted, as hexadecimal sets */
};

static fallible next_field(const char **ret, const char **at, const char *end)
{
	const char *stop = memchr(*at, '\0', (size_t)(end - *at));

	if (!stop)
		return error_new(ERROR_INVALID, "the plan ends in the middle of a step");
	*ret = *at;
	*at = stop + 1;
	return NULL;
}

static fallible find_step(size_t *ret, const char *name)
{
	for (size_t i = 0; i < sizeof(steps) / sizeof(*steps); i++)
		if (!strcmp(steps[i].name, name)) {
			*ret = i;
			return NULL;
		}
	return error_new(ERROR_UNSUPPORTED, "the plan has an unknown step \"%s\"", name);
}

static fallible take_step(Native *native, const char **at, const char *end, bool is_inside)
{
	const char *name = NULL, *fields[NATIVE_FIELDS_MAX];
	size_t kind = 0;

	TRY(next_field(&name, at, end));
	TRY(find_step(&kind, name));
	for (size_t i = 0; i < steps[kind].fields; i++)
		TRY(next_field(&fields[i], at, end));
	NativeStep *step = is_inside ? steps[kind].inside : steps[kind].before;
	return step ? step(native, fields) : NULL;
}

Error *native_take_steps(Native *native, const char *plan, size_t length, bool is_inside)
{
	const char *end = plan + length;

	while (plan < end)
		TRY(take_step(native, &plan, end, is_inside));
	return NULL;
}

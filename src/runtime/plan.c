// SPDX-License-Identifier: Apache-2.0
#include "runtime/plan.h"

#include <inttypes.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>

#include "base/clock.h"
#include "base/memory.h"
#include "runtime/bundle.h"
#include "runtime/capability.h"
#include "runtime/cgroup_layout.h"
#include "runtime/plan_parts.h"
#include "runtime/spec_words.h"
#include "json/writer.h"

void plan_step(Plan *plan, const char *name, const char *const *fields, size_t count)
{
	buffer_add(plan->out, name, strlen(name) + 1);
	for (size_t i = 0; i < count; i++) {
		plan->is_unknown |= !fields[i];
		buffer_add(plan->out, fields[i] ? fields[i] : "", fields[i] ? strlen(fields[i]) + 1 : 1);
	}
}

bool plan_knows(const Value *object, const char *const *keys, size_t count)
{
	const char *key;
	Value *value;

	for (size_t cursor = 0; value_each(object, &cursor, &key, &value);)
		if (names_find(keys, count, key) < 0)
			return false;
	return true;
}

static void step_number(Plan *plan, const char *name, int64_t number)
{
	char text[32];

	snprintf(text, sizeof(text), "%" PRId64, number);
	STEP(plan, name, text);
}

/* ---- namespaces ---- */

static const struct {
	const char *type;
	int flag;
	bool must_be_own;
} namespaces[] = {
	{"mount", CLONE_NEWNS, true},
	{"pid", CLONE_NEWPID, true},
	{"cgroup", CLONE_NEWCGROUP, true},
	{"ipc", CLONE_NEWIPC, false},
	{"uts", CLONE_NEWUTS, false},
	{"network", CLONE_NEWNET, false},
};

static bool read_namespaces(int *ret_flags, const Value *list)
{
	int flags = 0;

	for (size_t i = 0; i < value_count(list); i++) {
		const Value *item = value_at(list, i);
		const char *type = value_string(value_get(item, "type"));
		size_t at = 0;
		while (at < COUNT(namespaces) && !string_equal(namespaces[at].type, type))
			at++;
		if (at == COUNT(namespaces) || !KNOWS(item, "type"))
			return false;
		flags |= namespaces[at].flag;
	}
	for (size_t i = 0; i < COUNT(namespaces); i++)
		if (namespaces[i].must_be_own && !(flags & namespaces[i].flag))
			return false;
	*ret_flags = flags;
	return true;
}

/* The namespace of control groups is made later, when the process is in its own. */
static bool plan_namespaces(Plan *plan, const Value *linux_part)
{
	int flags;

	if (!read_namespaces(&flags, value_get(linux_part, "namespaces")))
		return false;
	step_number(plan, "namespaces", flags & ~CLONE_NEWCGROUP);
	if (flags & CLONE_NEWNET)
		STEP(plan, "loopback", "lo");
	return true;
}

/* ---- the root ---- */

static void plan_paths(Plan *plan, const char *step, const Value *paths)
{
	for (size_t i = 0; i < value_count(paths); i++)
		STEP(plan, step, value_string(value_at(paths, i)));
}

static void plan_devices(Plan *plan)
{
	static const struct {
		const char *path, *major, *minor;
	} devices[] = {
		{"/dev/null", "1", "3"},
		{"/dev/zero", "1", "5"},
		{"/dev/full", "1", "7"},
		{"/dev/tty", "5", "0"},
		{"/dev/random", "1", "8"},
		{"/dev/urandom", "1", "9"},
	};
	static const char *const links[][2] = {
		{"/proc/self/fd", "/dev/fd"},
		{"/proc/self/fd/0", "/dev/stdin"},
		{"/proc/self/fd/1", "/dev/stdout"},
		{"/proc/self/fd/2", "/dev/stderr"},
		{"/proc/kcore", "/dev/core"},
		{"pts/ptmx", "/dev/ptmx"},
	};

	for (size_t i = 0; i < COUNT(devices); i++)
		STEP(plan, "device", devices[i].path, devices[i].major, devices[i].minor);
	for (size_t i = 0; i < COUNT(links); i++)
		STEP(plan, "link", links[i][0], links[i][1]);
}

/* By the container's own /proc, once it is mounted: in the host's, each namespace adds one more entry of the same name,
 * and looking one up takes as long as there are containers. */
static void plan_sysctls(Plan *plan, const Value *sysctls)
{
	const char *key;
	Value *value;

	for (size_t cursor = 0; value_each(sysctls, &cursor, &key, &value);) {
		autofree char *path = mem_strdup(key);
		for (char *at = path; (at = strchr(at, '.'));)
			*at = '/';
		STEP(plan, "sysctl", path, value_string(value));
	}
}

static bool plan_root(Plan *plan, const Value *config)
{
	const Value *root = value_get(config, "root"), *linux_part = value_get(config, "linux");
	const Value *mounts = value_get(config, "mounts");

	if (!KNOWS(root, "path", "readonly"))
		return false;
	plan_bind_sources(plan, mounts);
	STEP(plan, "pivot", value_string(value_get(root, "path")));
	if (!plan_mounts(plan, mounts))
		return false;
	plan_devices(plan);
	plan_sysctls(plan, value_get(linux_part, "sysctl"));
	plan_paths(plan, "mask", value_get(linux_part, "maskedPaths"));
	plan_paths(plan, "readonly", value_get(linux_part, "readonlyPaths"));
	return true;
}

/* ---- the process ---- */

static bool read_capabilities(char ret[32], const Value *names)
{
	uint64_t set = 0;

	for (size_t i = 0; i < value_count(names); i++) {
		int number;
		Error *error = capability_parse(&number, value_string(value_at(names, i)));
		if (error) {
			error_free(error); /* the runtime may know better */
			return false;
		}
		set |= CAPABILITY_BIT(number);
	}
	snprintf(ret, 32, "%" PRIx64, set);
	return true;
}

static bool plan_capabilities(Plan *plan, const Value *capabilities)
{
	char bounding[32], effective[32], permitted[32];

	if (!KNOWS(capabilities, "bounding", "effective", "permitted") ||
		!read_capabilities(bounding, value_get(capabilities, "bounding")) ||
		!read_capabilities(effective, value_get(capabilities, "effective")) ||
		!read_capabilities(permitted, value_get(capabilities, "permitted")))
		return false;
	STEP(plan, "capabilities", bounding, effective, permitted);
	return true;
}

static bool plan_user(Plan *plan, const Value *user)
{
	const Value *more = value_get(user, "additionalGids");
	char uid[32], gid[32];

	if (!KNOWS(user, "uid", "gid", "additionalGids"))
		return false;
	snprintf(uid, sizeof(uid), "%" PRId64, value_int(value_get(user, "uid"), 0));
	snprintf(gid, sizeof(gid), "%" PRId64, value_int(value_get(user, "gid"), 0));
	for (size_t i = 0; i < value_count(more); i++)
		step_number(plan, "group", value_int(value_at(more, i), 0));
	STEP(plan, "user", uid, gid);
	return true;
}

static bool plan_limits(Plan *plan, const Value *limits)
{
	for (size_t i = 0; i < value_count(limits); i++) {
		const Value *limit = value_at(limits, i);
		const char *type = value_string(value_get(limit, "type"));
		char number[32], soft[32], hard[32];
		autofree char *name = type && string_starts(type, "RLIMIT_") ? string_lower(type + 7) : NULL;
		int resource = name ? spec_rlimit(name) : -1;
		if (resource < 0 || !KNOWS(limit, "type", "soft", "hard"))
			return false;
		snprintf(number, sizeof(number), "%d", resource);
		snprintf(soft, sizeof(soft), "%" PRId64, value_int(value_get(limit, "soft"), -1));
		snprintf(hard, sizeof(hard), "%" PRId64, value_int(value_get(limit, "hard"), -1));
		STEP(plan, "limit", number, soft, hard);
	}
	return true;
}

static bool plan_filter(Plan *plan, const Value *annotations)
{
	const char *filter = value_string(value_get(annotations, SECCOMP_ANNOTATION));

	if (!KNOWS(annotations, SECCOMP_ANNOTATION))
		return false;
	if (filter)
		STEP(plan, "filter", filter);
	return true;
}

static bool knows_process(const Value *process)
{
	return KNOWS(process, "args", "terminal", "user", "env", "cwd", "capabilities", "noNewPrivileges", "rlimits",
		       "oomScoreAdj") &&
	       !value_bool(value_get(process, "terminal"), false) && value_count(value_get(process, "args"));
}

static void plan_oom_score(Plan *plan, const Value *process)
{
	int64_t oom_score = value_int(value_get(process, "oomScoreAdj"), 0);

	if (oom_score)
		step_number(plan, "oom-score", oom_score);
}

/* What a program is executed with. */
static void plan_program(Plan *plan, const Value *process)
{
	plan_paths(plan, "env", value_get(process, "env"));
	plan_paths(plan, "arg", value_get(process, "args"));
	if (value_bool(value_get(process, "noNewPrivileges"), false))
		STEP(plan, "no-new-privileges", "");
}

/* What it may. */
static bool plan_rights(Plan *plan, const Value *process)
{
	return plan_limits(plan, value_get(process, "rlimits")) && plan_user(plan, value_get(process, "user")) &&
	       plan_capabilities(plan, value_get(process, "capabilities"));
}

static bool plan_process(Plan *plan, const Value *config)
{
	const Value *process = value_get(config, "process");
	const char *hostname = value_string(value_get(config, "hostname"));

	if (!knows_process(process))
		return false;
	plan_oom_score(plan, process);
	if (hostname)
		STEP(plan, "hostname", hostname);
	STEP(plan, "directory", value_string(value_get(process, "cwd")));
	if (value_bool(value_get(value_get(config, "root"), "readonly"), false))
		STEP(plan, "remount", "/", "ro");
	plan_program(plan, process);
	return plan_filter(plan, value_get(config, "annotations")) && plan_rights(plan, process);
}

/* ---- the record, by which crun knows the container for exec, delete and the rest ---- */

static void plan_record(Plan *plan, const PlanInput *input, const Value *config)
{
	autoclear(Buffer) text = {0};
	char created[CLOCK_TEXT_MAX];
	Writer writer;

	clock_format(created, clock_wall_ns());
	writer_init(&writer, &text);
	write_object(&writer, NULL);
	write_string(&writer, "cgroup-path", value_string(value_path(config, "linux.cgroupsPath")));
	write_string(&writer, "scope", "");
	write_string(&writer, "rootfs", value_string(value_path(config, "root.path")));
	write_bool(&writer, "systemd-cgroup", false);
	write_string(&writer, "bundle", input->bundle);
	write_string(&writer, "created", created);
	write_string(&writer, "owner", "root");
	write_bool(&writer, "detached", true);
	write_string(&writer, "external_descriptors", "[\"/dev/null\",\"/dev/null\",\"/dev/null\"]");
	write_object_end(&writer);
	STEP(plan, "record", buffer_text(&text) + 1);
}

static bool plan_all(Plan *plan, const PlanInput *input, const Value *config)
{
	const Value *linux_part = value_get(config, "linux");

	if (!KNOWS(config, "ociVersion", "process", "root", "hostname", "mounts", "annotations", "linux") ||
		!KNOWS(linux_part, "cgroupsPath", "namespaces", "sysctl", "maskedPaths", "readonlyPaths", "devices",
			"resources") ||
		value_count(value_get(linux_part, "devices")))
		return false;
	plan_record(plan, input, config);
	STEP(plan, "keyring", input->id);
	return plan_groups(plan, linux_part) && plan_namespaces(plan, linux_part) && plan_root(plan, config) &&
	       plan_process(plan, config);
}

/* clone3 into a control group, detached mounts and mount_setattr(2): Linux 5.12. */
static bool kernel_is_able(void)
{
	struct utsname host;
	int major = 0, minor = 0;

	return uname(&host) == 0 && sscanf(host.release, "%d.%d", &major, &minor) == 2 &&
	       (major > 5 || (major == 5 && minor >= 12));
}

void plan_write(Buffer *out, bool *ret_is_ordinary, const PlanInput *input)
{
	autoptr(Value) config = NULL;
	Plan plan = {.out = out, .cgroups = input->cgroups};

	*ret_is_ordinary = false;
	if (cgroup_is_v2(input->cgroups) || !kernel_is_able())
		return;
	Error *error = value_parse(&config, buffer_text(input->config), input->config->length);
	if (error) {
		error_free(error); /* numbers that only the runtime's parser takes: an unlimited rlimit */
		return;
	}
	*ret_is_ordinary = plan_all(&plan, input, config) && !plan.is_unknown;
}

/* ---- a command in a container ---- */

/* Whatever is done by paths of the host comes before the container's namespaces are entered. */
static bool plan_enter(Plan *plan, const PlanExecInput *input, const Value *process)
{
	if (!knows_process(process))
		return false;
	plan_groups_enter(plan, input->cgroup);
	STEP(plan, "keyring", input->id);
	plan_oom_score(plan, process);
	step_number(plan, "enter", input->pid);
	STEP(plan, "cwd", value_string(value_get(process, "cwd")));
	plan_program(plan, process);
	if (input->filter)
		STEP(plan, "filter", input->filter);
	return plan_rights(plan, process);
}

void plan_exec_write(Buffer *out, bool *ret_is_ordinary, const PlanExecInput *input)
{
	autoptr(Value) process = NULL;
	Plan plan = {.out = out, .cgroups = input->cgroups};

	*ret_is_ordinary = false;
	Error *error = value_parse(&process, buffer_text(input->process), input->process->length);
	if (error) {
		error_free(error); /* as above */
		return;
	}
	*ret_is_ordinary = plan_enter(&plan, input, process) && !plan.is_unknown;
}

// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>

#include "base/memory.h"
#include "base/strings.h"
#include "runtime/cgroup_layout.h"
#include "runtime/plan_parts.h"

enum { BINDS_MAX = 256 }; /* as many as the shim takes along (shim/native_steps.h) */

#define PLAIN (MS_NOSUID | MS_NODEV | MS_NOEXEC)

/* ---- options ---- */

/* A word sets bits or takes them away; the last word about a bit wins. */
static const struct {
	const char *word;
	unsigned long set, clear;
} flag_words[] = {
	{"ro", MS_RDONLY, 0},
	{"rw", 0, MS_RDONLY},
	{"nosuid", MS_NOSUID, 0},
	{"suid", 0, MS_NOSUID},
	{"nodev", MS_NODEV, 0},
	{"dev", 0, MS_NODEV},
	{"noexec", MS_NOEXEC, 0},
	{"exec", 0, MS_NOEXEC},
	{"noatime", MS_NOATIME, MS_STRICTATIME | MS_RELATIME},
	{"relatime", MS_RELATIME, MS_STRICTATIME | MS_NOATIME},
	{"strictatime", MS_STRICTATIME, MS_NOATIME | MS_RELATIME},
	{"bind", 0, MS_REC},
	{"rbind", MS_REC, 0},
	{"private", 0, 0},
	{"rprivate", 0, 0},
};

/* What file systems read themselves. */
static const char *const data_words[] = {"newinstance", "size=", "mode=", "uid=", "gid=", "nr_inodes=", "ptmxmode="};

typedef struct Options {
	unsigned long flags;
	Buffer data;
} Options;

static void options_clear(Options *options)
{
	buffer_clear(&options->data);
}
DEFINE_AUTOCLEAR(Options, options_clear)

static bool read_data(Options *options, const char *word)
{
	for (size_t i = 0; i < COUNT(data_words); i++)
		if (string_ends(data_words[i], "=") ? string_starts(word, data_words[i])
						    : string_equal(word, data_words[i])) {
			buffer_printf(&options->data, "%s%s", options->data.length ? "," : "", word);
			return true;
		}
	return false;
}

static bool read_option(Options *options, const char *word)
{
	for (size_t i = 0; i < COUNT(flag_words); i++)
		if (string_equal(word, flag_words[i].word)) {
			options->flags = (options->flags & ~flag_words[i].clear) | flag_words[i].set;
			return true;
		}
	return word && read_data(options, word);
}

static bool read_options(Options *options, const Value *words)
{
	for (size_t i = 0; i < value_count(words); i++)
		if (!read_option(options, value_string(value_at(words, i))))
			return false;
	return true;
}

/* ---- mounts ---- */

typedef struct Mount {
	const char *target, *type, *source;
	const Value *options;
} Mount;

static bool read_mount(Mount *ret, const Value *value)
{
	*ret = (Mount){value_string(value_get(value, "destination")), value_string(value_get(value, "type")),
		value_string(value_get(value, "source")), value_get(value, "options")};
	return KNOWS(value, "destination", "type", "source", "options") && ret->target && ret->type && ret->source &&
	       ret->target[0] == '/';
}

static void step_mount(Plan *plan, const Mount *mount, const char *target, unsigned long flags, const char *data)
{
	char number[32];

	snprintf(number, sizeof(number), "%lu", flags);
	STEP(plan, "mount", mount->source, target, mount->type, number, data);
}

/* Sources are opened before the root changes, and lie in the order of their targets. */
void plan_bind_sources(Plan *plan, const Value *mounts)
{
	size_t count = 0;

	for (size_t i = 0; i < value_count(mounts); i++) {
		autoclear(Options) options = {.flags = 0};
		Mount mount;
		if (!read_mount(&mount, value_at(mounts, i)) || !string_equal(mount.type, "bind"))
			continue;
		plan->is_unknown |=
			++count > BINDS_MAX || !read_options(&options, mount.options) || options.data.length;
		STEP(plan, "tree", mount.source, options.flags & MS_REC ? "all" : "one");
	}
}

static bool plan_bind(Plan *plan, const Mount *mount, const Options *options)
{
	if (options->flags & ~(unsigned long)(MS_REC | MS_RDONLY))
		return false; /* what else can be said about a bind is for the runtime */
	STEP(plan, "place", mount->target, options->flags & MS_RDONLY ? "ro" : "rw");
	return true;
}

/* "cpu,cpuacct" is a directory of that name, and a link for each of the two. */
static void plan_hierarchy(Plan *plan, const CgroupHierarchy *hierarchy, const char *top)
{
	autofree char *data = strings_join(&hierarchy->controllers, ",");
	const char *name = string_starts(data, "name=") ? data + 5 : data;
	autofree char *target = string_printf("%s/%s", top, name);
	const Mount mount = {.type = "cgroup", .source = "cgroup"};

	step_mount(plan, &mount, target, PLAIN | MS_RDONLY, data);
	for (size_t i = 0; i < hierarchy->controllers.count && hierarchy->controllers.count > 1; i++) {
		autofree char *link = string_printf("%s/%s", top, hierarchy->controllers.items[i]);
		STEP(plan, "link", name, link);
	}
}

/* Version 1: a hierarchy each on a tmpfs, which is read-only in the end, as in Docker; crun leaves it writable. */
static bool plan_cgroup(Plan *plan, const Mount *mount, const Options *options)
{
	const Mount top = {.type = "tmpfs", .source = "cgroup"};

	if (options->flags != (PLAIN | MS_RDONLY) || options->data.length)
		return false;
	step_mount(plan, &top, mount->target, PLAIN, "size=1024k,mode=755");
	for (size_t i = 0; i < plan->cgroups->count; i++)
		if (!plan->cgroups->items[i].is_v2)
			plan_hierarchy(plan, &plan->cgroups->items[i], mount->target);
	STEP(plan, "remount", mount->target, "ro,nosuid,nodev,noexec");
	return true;
}

static bool plan_mount(Plan *plan, const Mount *mount)
{
	static const char *const types[] = {"proc", "sysfs", "tmpfs", "devpts", "mqueue"};
	autoclear(Options) options = {.flags = 0};

	if (!read_options(&options, mount->options))
		return false;
	if (string_equal(mount->type, "bind"))
		return plan_bind(plan, mount, &options);
	if (string_equal(mount->type, "cgroup"))
		return plan_cgroup(plan, mount, &options);
	if (names_find(types, COUNT(types), mount->type) < 0 || options.flags & MS_REC)
		return false;
	step_mount(plan, mount, mount->target, options.flags, buffer_text(&options.data));
	return true;
}

bool plan_mounts(Plan *plan, const Value *mounts)
{
	for (size_t i = 0; i < value_count(mounts); i++) {
		Mount mount;
		if (!read_mount(&mount, value_at(mounts, i)) || !plan_mount(plan, &mount))
			return false;
	}
	return true;
}

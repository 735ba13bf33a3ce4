// SPDX-License-Identifier: Apache-2.0
#include "runtime/cgroup_limits.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>

#include "base/files.h"
#include "base/memory.h"
#include "runtime/cgroup_layout.h"
#include "runtime/spec_words.h"

enum { NUMBER_MAX = 64, PERIOD_DEFAULT_US = 100000, SHARES_DEFAULT = 1024 };

typedef struct Change {
	const CgroupLayout *layout;
	const char *cgroup;
	const ContainerSpec *from, *to;
	bool is_v2;
} Change;

/* ---- files ---- */

static char *file_of(const CgroupLayout *layout, const char *cgroup, const char *controller, const char *file)
{
	const CgroupHierarchy *hierarchy = cgroup_hierarchy(layout, controller);

	return hierarchy ? cgroup_path(hierarchy, cgroup, file) : NULL;
}

static bool has_file(const CgroupLayout *layout, const char *cgroup, const char *controller, const char *file)
{
	autofree char *path = file_of(layout, cgroup, controller, file);

	return path && file_exists(AT_FDCWD, path);
}

static fallible poke(const Change *change, const char *controller, const char *file, const char *text)
{
	autofree char *path = file_of(change->layout, change->cgroup, controller, file);

	if (!path)
		return error_new(ERROR_UNSUPPORTED, "this host has no control groups for %s", controller);
	return file_poke(AT_FDCWD, path, text);
}

static fallible poke_number(const Change *change, const char *controller, const char *file, int64_t number)
{
	autofree char *text = string_printf("%lld", (long long)number);

	return poke(change, controller, file, text);
}

/* 0 and less: no limit, which the versions write as "-1" and "max". */
static fallible poke_limit(const Change *change, const char *controller, const char *file, int64_t limit)
{
	if (limit > 0)
		return poke_number(change, controller, file, limit);
	return poke(change, controller, file, change->is_v2 || string_equal(controller, "pids") ? "max" : "-1");
}

/* ---- memory ---- */

static fallible change_reservation(const Change *change)
{
	if (change->from->memory_reservation == change->to->memory_reservation)
		return NULL;
	if (!change->is_v2)
		return poke_limit(change, "memory", "memory.soft_limit_in_bytes", change->to->memory_reservation);
	return poke_number(change, "memory", "memory.low", change->to->memory_reservation);
}

static int64_t limit_now(const Change *change, const char *file)
{
	autofree char *path = file_of(change->layout, change->cgroup, "memory", file), *text = NULL;

	if (path)
		error_free(file_read(&text, NULL, AT_FDCWD, path, NUMBER_MAX)); /* then it is taken for none */
	return text ? strtoll(text, NULL, 10) : 0;
}

/* Memory is never more than memory and swap together, at no moment: the one that makes room for the other goes first.
 */
static fallible change_memory_v1(const Change *change)
{
	static const char both[] = "memory.memsw.limit_in_bytes";
	int64_t memory = change->to->memory, sum = change->to->memory_swap;
	bool has_swap = cgroup_limits_swap(change->layout) && sum;
	bool grows = sum < 0 || sum >= limit_now(change, both);

	if (has_swap && grows)
		TRY(poke_limit(change, "memory", both, sum));
	if (memory != change->from->memory)
		TRY(poke_limit(change, "memory", "memory.limit_in_bytes", memory));
	return has_swap && !grows ? poke_limit(change, "memory", both, sum) : NULL;
}

/* Version 2 limits swap by itself. */
static fallible change_memory_v2(const Change *change)
{
	int64_t memory = change->to->memory, sum = change->to->memory_swap;

	if (memory != change->from->memory)
		TRY(poke_limit(change, "memory", "memory.max", memory));
	if (!cgroup_limits_swap(change->layout) || !sum)
		return NULL;
	return sum < 0 ? poke(change, "memory", "memory.swap.max", "max")
		       : poke_number(change, "memory", "memory.swap.max", sum - memory);
}

static fallible change_memory(const Change *change)
{
	const ContainerSpec *from = change->from, *to = change->to;

	if (from->memory == to->memory && from->memory_swap == to->memory_swap)
		return NULL;
	return change->is_v2 ? change_memory_v2(change) : change_memory_v1(change);
}

/* ---- processors ---- */

/* 2..262144 onto 1..10000, as OCI runtimes have it. */
static int64_t weight_of_shares(int64_t shares)
{
	return 1 + (shares - 2) * 9999 / 262142;
}

static fallible change_shares(const Change *change)
{
	int64_t shares = change->to->cpu_shares ? change->to->cpu_shares : SHARES_DEFAULT;

	if (change->from->cpu_shares == change->to->cpu_shares)
		return NULL;
	return change->is_v2 ? poke_number(change, "cpu", "cpu.weight", weight_of_shares(shares))
			     : poke_number(change, "cpu", "cpu.shares", shares);
}

/* Without a quota any period is taken; so is any quota in the new period. */
static fallible change_time_v1(const Change *change, int64_t quota, int64_t period)
{
	TRY(poke_number(change, "cpu", "cpu.cfs_quota_us", -1));
	TRY(poke_number(change, "cpu", "cpu.cfs_period_us", period));
	return quota > 0 ? poke_number(change, "cpu", "cpu.cfs_quota_us", quota) : NULL;
}

static fallible change_time(const Change *change)
{
	int64_t old_quota, old_period, quota, period;
	autofree char *text = NULL;

	spec_cpu_time(change->from, &old_quota, &old_period);
	spec_cpu_time(change->to, &quota, &period);
	if (quota == old_quota && period == old_period)
		return NULL;
	period = period ? period : PERIOD_DEFAULT_US;
	if (!change->is_v2)
		return change_time_v1(change, quota, period);
	text = quota > 0 ? string_printf("%lld %lld", (long long)quota, (long long)period)
			 : string_printf("max %lld", (long long)period);
	return poke(change, "cpu", "cpu.max", text);
}

static fallible change_set(const Change *change, const char *file, const char *from, const char *to)
{
	return string_empty(to) || string_equal(from, to) ? NULL : poke(change, "cpuset", file, to);
}

/* ---- the rest ---- */

/* 10..1000 onto 1..10000, as OCI runtimes have it. */
static int64_t weight_v2(int64_t weight)
{
	return 1 + (weight - 10) * 9999 / 990;
}

static const struct WeightFile {
	const char *name;
	bool is_v2, is_scaled;
} weight_files[] = {
	{"blkio.weight", false, false},
	{"blkio.bfq.weight", false, false},
	{"io.bfq.weight", true, false},
	{"io.weight", true, true},
};

static const struct WeightFile *weight_file(const CgroupLayout *layout, const char *cgroup)
{
	for (size_t i = 0; i < sizeof(weight_files) / sizeof(weight_files[0]); i++)
		if (has_file(layout, cgroup, "blkio", weight_files[i].name))
			return &weight_files[i];
	return NULL;
}

static fallible change_io_weight(const Change *change)
{
	const struct WeightFile *file = weight_file(change->layout, change->cgroup);
	int64_t weight = change->to->blkio_weight;

	if (!weight || weight == change->from->blkio_weight)
		return NULL;
	if (!file)
		return error_new(ERROR_UNSUPPORTED, "this host has no weights for block I/O");
	return poke_number(change, "blkio", file->name, file->is_scaled ? weight_v2(weight) : weight);
}

static fallible change_pids(const Change *change)
{
	if (change->from->pids_limit == change->to->pids_limit)
		return NULL;
	return poke_limit(change, "pids", "pids.max", change->to->pids_limit);
}

fallible cgroup_limits_change(
	const CgroupLayout *layout, const char *cgroup, const ContainerSpec *from, const ContainerSpec *to)
{
	Change change = {layout, cgroup, from, to, cgroup_is_v2(layout)};

	TRY(change_memory(&change));
	TRY(change_reservation(&change));
	TRY(change_shares(&change));
	TRY(change_time(&change));
	TRY(change_set(&change, "cpuset.cpus", from->cpuset_cpus, to->cpuset_cpus));
	TRY(change_set(&change, "cpuset.mems", from->cpuset_mems, to->cpuset_mems));
	TRY(change_pids(&change));
	return change_io_weight(&change);
}

/* ---- weights that the runtime does not know ---- */

static const char bfq_weight[] = "blkio.bfq.weight", bfq_device[] = "blkio.bfq.weight_device";

bool cgroup_limits_weights_are_ours(const CgroupLayout *layout, const char *cgroup)
{
	autofree char *parent = mem_strndup(cgroup, (size_t)(strrchr(cgroup, '/') - cgroup));

	return has_file(layout, parent, "blkio", bfq_weight) && !has_file(layout, parent, "blkio", "blkio.weight");
}

static fallible set_device_weight(const Change *change, const RateSpec *weight)
{
	autofree char *line = NULL;
	dev_t device;

	TRY(rate_device(&device, weight));
	line = string_printf("%u:%u %lld", major(device), minor(device), (long long)weight->rate);
	return poke(change, "blkio", bfq_device, line);
}

fallible cgroup_limits_set_weights(const CgroupLayout *layout, const char *cgroup, const ContainerSpec *spec)
{
	const FieldArray *devices = &spec->rates[RATE_WEIGHT];
	Change change = {.layout = layout, .cgroup = cgroup, .to = spec};

	if ((!spec->blkio_weight && !devices->count) || !cgroup_limits_weights_are_ours(layout, cgroup))
		return NULL;
	if (spec->blkio_weight)
		TRY(poke_number(&change, "blkio", bfq_weight, spec->blkio_weight));
	for (size_t i = 0; i < devices->count; i++)
		TRY(set_device_weight(&change, (const RateSpec *)devices->items + i));
	return NULL;
}

/* ---- what the host cannot do ---- */

#define NOT_MOUNTED "Your kernel does not support %s or the cgroup is not mounted. %s"

static void drop(StringList *warnings, const char *what, const char *outcome)
{
	strings_printf(warnings, NOT_MOUNTED, what, outcome);
}

static void drop_swap(const CgroupLayout *layout, ContainerSpec *spec, StringList *warnings)
{
	if (!cgroup_limits_swap(layout) && spec->memory && spec->memory_swap != -1) {
		drop(warnings, "swap limit capabilities", "Memory limited without swap.");
		spec->memory_swap = -1;
	}
	if (cgroup_is_v2(layout) && spec->memory_swappiness >= 0) {
		drop(warnings, "memory swappiness capabilities", "Memory swappiness discarded.");
		spec->memory_swappiness = -1;
	}
}

void cgroup_limits_drop(const CgroupLayout *layout, const char *group, ContainerSpec *spec, StringList *warnings)
{
	drop_swap(layout, spec, warnings);
	if (cgroup_is_v2(layout) && spec->oom_kill_disable) {
		drop(warnings, "OomKillDisable", "OomKillDisable discarded.");
		spec->oom_kill_disable = false;
	}
	if (spec->blkio_weight && !weight_file(layout, group)) {
		drop(warnings, "Block I/O weight", "Weight discarded.");
		spec->blkio_weight = 0;
	}
}

// SPDX-License-Identifier: Apache-2.0
#include <ctype.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/sysmacros.h>

#include "base/clock.h"
#include "base/files.h"
#include "runtime/bundle_parts.h"
#include "runtime/capability.h"
#include "runtime/cgroup_limits.h"

static void write_unless_zero(Writer *writer, const char *key, int64_t number)
{
	if (number)
		write_int(writer, key, number);
}

static void write_unless_empty(Writer *writer, const char *key, const char *text)
{
	if (!string_empty(text))
		write_string(writer, key, text);
}

/* Memory and swap together; Docker's default is as much swap again. 0: nothing to say, or the host cannot limit it. */
static int64_t swap_limit(const BundleInput *input)
{
	const ContainerSpec *spec = input->spec;

	if (!cgroup_limits_swap(input->cgroups))
		return 0;
	return !spec->memory_swap && spec->memory <= INT64_MAX / 2 ? spec->memory * 2 : spec->memory_swap;
}

static void write_memory(Writer *writer, const BundleInput *input)
{
	const ContainerSpec *spec = input->spec;

	write_object(writer, "memory");
	write_unless_zero(writer, "limit", spec->memory);
	write_unless_zero(writer, "reservation", spec->memory_reservation);
	write_unless_zero(writer, "swap", swap_limit(input));
	if (spec->oom_kill_disable && !cgroup_is_v2(input->cgroups)) /* version 2 has no such thing */
		write_bool(writer, "disableOOMKiller", true);
	if (spec->memory_swappiness >= 0 && !cgroup_is_v2(input->cgroups))
		write_int(writer, "swappiness", spec->memory_swappiness);
	write_object_end(writer);
}

static void write_cpu(Writer *writer, const ContainerSpec *spec)
{
	int64_t quota, period;

	spec_cpu_time(spec, &quota, &period);
	write_object(writer, "cpu");
	write_unless_zero(writer, "shares", spec->cpu_shares);
	write_unless_zero(writer, "quota", quota);
	write_unless_zero(writer, "period", period);
	write_unless_empty(writer, "cpus", spec->cpuset_cpus);
	write_unless_empty(writer, "mems", spec->cpuset_mems);
	write_object_end(writer);
}

static void write_pids(Writer *writer, int64_t limit)
{
	if (limit <= 0)
		return;
	write_object(writer, "pids");
	write_int(writer, "limit", limit);
	write_object_end(writer);
}

static fallible write_rate(Writer *writer, const RateSpec *rate, const char *key)
{
	dev_t device;

	TRY(rate_device(&device, rate));
	write_object(writer, NULL);
	write_int(writer, "major", major(device));
	write_int(writer, "minor", minor(device));
	write_int(writer, key, rate->rate);
	write_object_end(writer);
	return NULL;
}

static fallible write_rates(Writer *writer, const FieldArray *rates, const char *name, const char *key)
{
	if (!rates->count)
		return NULL;
	write_array(writer, name);
	for (size_t i = 0; i < rates->count; i++)
		TRY(write_rate(writer, (const RateSpec *)rates->items + i, key));
	write_array_end(writer);
	return NULL;
}

static bool has_block_io(const ContainerSpec *spec)
{
	size_t count = spec->blkio_weight != 0;

	for (RateKind kind = 0; kind < RATE_KINDS; kind++)
		count += spec->rates[kind].count;
	return count > 0;
}

static fallible write_block_io(Writer *writer, const BundleInput *input)
{
	static const char *const names[RATE_KINDS] = {
		[RATE_WEIGHT] = "weightDevice",
		[RATE_READ_BPS] = "throttleReadBpsDevice",
		[RATE_WRITE_BPS] = "throttleWriteBpsDevice",
		[RATE_READ_IOPS] = "throttleReadIOPSDevice",
		[RATE_WRITE_IOPS] = "throttleWriteIOPSDevice",
	};

	const ContainerSpec *spec = input->spec;
	bool weights_are_ours;

	if (!has_block_io(spec))
		return NULL;
	weights_are_ours = cgroup_limits_weights_are_ours(input->cgroups, input->cgroup);
	write_object(writer, "blockIO");
	if (!weights_are_ours)
		write_unless_zero(writer, "weight", spec->blkio_weight);
	for (RateKind kind = weights_are_ours ? RATE_WEIGHT + 1 : RATE_WEIGHT; kind < RATE_KINDS; kind++)
		TRY(write_rates(writer, &spec->rates[kind], names[kind], kind == RATE_WEIGHT ? "weight" : "rate"));
	write_object_end(writer);
	return NULL;
}

fallible bundle_write_resources(Writer *writer, const BundleInput *input)
{
	write_object(writer, "resources");
	TRY(bundle_write_device_rules(writer, input));
	write_memory(writer, input);
	write_cpu(writer, input->spec);
	write_pids(writer, input->spec->pids_limit);
	TRY(write_block_io(writer, input));
	write_object_end(writer);
	return NULL;
}

/* ---- rlimits ---- */

static rlim_t read_kernel_number(const char *path, rlim_t otherwise)
{
	autofree char *text = NULL;
	Error *error = file_read(&text, NULL, AT_FDCWD, path, 64);
	rlim_t number = error ? otherwise : strtoull(text, NULL, 10);

	error_free(error); /* the file is not there: the kernel has no such limit */
	return number;
}

static bool may_raise(void)
{
	return capability_all() & CAPABILITY_BIT(CAP_SYS_RESOURCE);
}

/* What the runtime, a child of ours, may set at most. */
static rlim_t highest(int resource)
{
	struct rlimit own = {.rlim_max = RLIM_INFINITY};

	if (!may_raise())
		getrlimit((__rlimit_resource_t)resource, &own);
	else if (resource == RLIMIT_NOFILE)
		own.rlim_max = read_kernel_number("/proc/sys/fs/nr_open", RLIM_INFINITY);
	return own.rlim_max;
}

static rlim_t as_rlim(int64_t number)
{
	return number < 0 ? RLIM_INFINITY : (rlim_t)number; /* the largest number */
}

/* The runtime would only say "operation not permitted". */
static fallible check_rlimit(const UlimitSpec *limit)
{
	rlim_t most = highest(spec_rlimit(limit->name));

	if (as_rlim(limit->hard) <= most)
		return NULL;
	return error_new(ERROR_INVALID, "field \"ulimits\": %s cannot be raised above %llu%s", limit->name,
		(unsigned long long)most, may_raise() ? ", the kernel's fs.nr_open" : " without CAP_SYS_RESOURCE");
}

static void write_rlimit(Writer *writer, const UlimitSpec *limit)
{
	char type[32] = "RLIMIT_";

	for (size_t i = 0; limit->name[i] && i + 8 < sizeof(type); i++)
		type[7 + i] = (char)toupper((unsigned char)limit->name[i]);
	write_object(writer, NULL);
	write_string(writer, "type", type);
	write_uint(writer, "hard", as_rlim(limit->hard));
	write_uint(writer, "soft", as_rlim(limit->soft));
	write_object_end(writer);
}

fallible bundle_write_rlimits(Writer *writer, const ContainerSpec *spec)
{
	const UlimitSpec *limits = spec->ulimits.items;

	write_array(writer, "rlimits");
	for (size_t i = 0; i < spec->ulimits.count; i++) {
		TRY(check_rlimit(&limits[i]));
		write_rlimit(writer, &limits[i]);
	}
	write_array_end(writer);
	return NULL;
}

/* ---- the OOM killer's score ---- */

fallible bundle_write_oom_score(Writer *writer, const ContainerSpec *spec)
{
	autofree char *text = NULL;
	int64_t own = 0;

	if (spec->oom_score_adj < 0 && !may_raise()) {
		TRY(file_read(&text, NULL, AT_FDCWD, "/proc/self/oom_score_adj", 64));
		own = strtoll(text, NULL, 10);
	}
	if (spec->oom_score_adj < own)
		return error_new(ERROR_INVALID, "field \"oomScoreAdj\": %lld cannot be set without CAP_SYS_RESOURCE",
			(long long)spec->oom_score_adj);
	write_int(writer, "oomScoreAdj", spec->oom_score_adj);
	return NULL;
}

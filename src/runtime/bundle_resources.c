// SPDX-License-Identifier: Apache-2.0
#include <ctype.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <string.h>
#include <sys/resource.h>

#include "base/clock.h"
#include "base/files.h"
#include "runtime/bundle_parts.h"
#include "runtime/capability.h"

enum { DEFAULT_PERIOD_US = 100000 };

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
	write_object_end(writer);
}

/* nanoCpus is a quota in other words: CPUs times period. */
static void write_cpu(Writer *writer, const ContainerSpec *spec)
{
	int64_t quota = spec->cpu_quota, period = spec->cpu_period;

	if (spec->nano_cpus) {
		period = DEFAULT_PERIOD_US;
		quota = spec->nano_cpus / (NANOS_PER_SECOND / DEFAULT_PERIOD_US);
	}
	write_object(writer, "cpu");
	write_unless_zero(writer, "shares", spec->cpu_shares);
	write_unless_zero(writer, "quota", quota);
	write_unless_zero(writer, "period", period);
	write_unless_empty(writer, "cpus", spec->cpuset_cpus);
	write_unless_empty(writer, "mems", spec->cpuset_mems);
	write_object_end(writer);
}

static void write_one_number(Writer *writer, const char *object, const char *key, int64_t number)
{
	if (number <= 0)
		return;
	write_object(writer, object);
	write_int(writer, key, number);
	write_object_end(writer);
}

fallible bundle_write_resources(Writer *writer, const BundleInput *input)
{
	write_object(writer, "resources");
	TRY(bundle_write_device_rules(writer, input));
	write_memory(writer, input);
	write_cpu(writer, input->spec);
	write_one_number(writer, "pids", "limit", input->spec->pids_limit);
	write_one_number(writer, "blockIO", "weight", input->spec->blkio_weight);
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

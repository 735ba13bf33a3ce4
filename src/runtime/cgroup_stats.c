// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/files.h"
#include "runtime/cgroup_layout.h"

enum { STAT_FILE_MAX = 1 << 20 };

typedef enum Unit { UNIT_ONE, UNIT_MICROS, UNIT_TICKS } Unit; /* what a number of the file counts */

/* One number of one file. key NULL: the file is the number. */
typedef struct StatSource {
	const char *controller, *file, *key;
	size_t offset;
	Unit unit;
} StatSource;

#define STAT(field) offsetof(CgroupStats, field)

static const StatSource v1_sources[] = {
	{"cpuacct", "cpuacct.usage", NULL, STAT(cpu_total_ns), UNIT_ONE},
	{"cpuacct", "cpuacct.stat", "user", STAT(cpu_user_ns), UNIT_TICKS},
	{"cpuacct", "cpuacct.stat", "system", STAT(cpu_system_ns), UNIT_TICKS},
	{"cpu", "cpu.stat", "nr_periods", STAT(cpu_periods), UNIT_ONE},
	{"cpu", "cpu.stat", "nr_throttled", STAT(cpu_throttled_periods), UNIT_ONE},
	{"cpu", "cpu.stat", "throttled_time", STAT(cpu_throttled_ns), UNIT_ONE},
	{"memory", "memory.usage_in_bytes", NULL, STAT(memory_usage), UNIT_ONE},
	{"memory", "memory.max_usage_in_bytes", NULL, STAT(memory_max_usage), UNIT_ONE},
	{"memory", "memory.limit_in_bytes", NULL, STAT(memory_limit), UNIT_ONE},
	{"memory", "memory.oom_control", "oom_kill", STAT(memory_oom_kills), UNIT_ONE},
	{"pids", "pids.current", NULL, STAT(pids_current), UNIT_ONE},
	{"pids", "pids.max", NULL, STAT(pids_limit), UNIT_ONE},
};

static const StatSource v2_sources[] = {
	{"cpu", "cpu.stat", "usage_usec", STAT(cpu_total_ns), UNIT_MICROS},
	{"cpu", "cpu.stat", "user_usec", STAT(cpu_user_ns), UNIT_MICROS},
	{"cpu", "cpu.stat", "system_usec", STAT(cpu_system_ns), UNIT_MICROS},
	{"cpu", "cpu.stat", "nr_periods", STAT(cpu_periods), UNIT_ONE},
	{"cpu", "cpu.stat", "nr_throttled", STAT(cpu_throttled_periods), UNIT_ONE},
	{"cpu", "cpu.stat", "throttled_usec", STAT(cpu_throttled_ns), UNIT_MICROS},
	{"memory", "memory.current", NULL, STAT(memory_usage), UNIT_ONE},
	{"memory", "memory.peak", NULL, STAT(memory_max_usage), UNIT_ONE},
	{"memory", "memory.max", NULL, STAT(memory_limit), UNIT_ONE},
	{"memory", "memory.swap.current", NULL, STAT(memory_swap), UNIT_ONE},
	{"memory", "memory.events", "oom_kill", STAT(memory_oom_kills), UNIT_ONE},
	{"pids", "pids.current", NULL, STAT(pids_current), UNIT_ONE},
	{"pids", "pids.max", NULL, STAT(pids_limit), UNIT_ONE},
};

/* Limits above this are version 1's way of saying "none". */
#define NO_LIMIT (INT64_C(1) << 60)

static int64_t in_unit(int64_t number, Unit unit)
{
	if (unit == UNIT_MICROS)
		return number * 1000;
	return unit == UNIT_TICKS ? number * (NANOS_PER_SECOND / sysconf(_SC_CLK_TCK)) : number;
}

/* The number behind "key " at the start of a line; 0 when it is not there or no number ("max"). */
static int64_t find_number(const char *text, const char *key)
{
	size_t length = key ? strlen(key) : 0;

	for (const char *line = text; line; line = strchr(line, '\n'), line += line ? 1 : 0) {
		if (!key)
			return strtoll(line, NULL, 10);
		if (strncmp(line, key, length) == 0 && line[length] == ' ')
			return strtoll(line + length, NULL, 10);
	}
	return 0;
}

/* "" when the file cannot be read: the controller, or this file of it, is not there. */
static char *read_stat(const CgroupLayout *layout, const char *cgroup, const char *controller, const char *file)
{
	const CgroupHierarchy *hierarchy = cgroup_hierarchy(layout, controller);
	autofree char *path = hierarchy ? cgroup_path(hierarchy, cgroup, file) : NULL;
	char *text = NULL;

	if (path)
		error_free(file_read(&text, NULL, AT_FDCWD, path, STAT_FILE_MAX));
	return text ? text : string_printf("%s", "");
}

static void read_sources(
	CgroupStats *stats, const CgroupLayout *layout, const char *cgroup, const StatSource *sources, size_t count)
{
	const char *read_file = NULL;
	autofree char *text = NULL;

	for (size_t i = 0; i < count; i++) {
		if (!string_equal(read_file, sources[i].file)) { /* numbers of one file stand together in the table */
			free(text);
			text = read_stat(layout, cgroup, sources[i].controller, sources[i].file);
			read_file = sources[i].file;
		}
		*(int64_t *)((char *)stats + sources[i].offset) =
			in_unit(find_number(text, sources[i].key), sources[i].unit);
	}
}

/* ---- files of many numbers ---- */

/* "name number" on each line */
static void read_memory(CgroupStats *stats, const CgroupLayout *layout, const char *cgroup)
{
	autofree char *text = read_stat(layout, cgroup, "memory", "memory.stat");
	char *rest = text;

	for (char *line; stats->memory_count < STAT_MEMORY_MAX && (line = strsep(&rest, "\n"));) {
		StatNumber *number = &stats->memory[stats->memory_count];
		long long value;
		if (sscanf(line, "%31s %lld", number->name, &value) == 2) {
			number->value = value;
			stats->memory_count++;
		}
	}
}

/* "123 456 ...", one for each processor */
static void read_each_cpu(CgroupStats *stats, const CgroupLayout *layout, const char *cgroup)
{
	autofree char *text = read_stat(layout, cgroup, "cpuacct", "cpuacct.usage_percpu");
	char *at = text, *end;

	while (stats->cpu_count < STAT_CPUS_MAX) {
		long long value = strtoll(at, &end, 10);
		if (end == at)
			return;
		stats->cpu_each_ns[stats->cpu_count++] = value;
		at = end;
	}
}

static void add_io(StatIoList *list, const char *device, const char *operation, int64_t value)
{
	StatIo *io = &list->items[list->count];

	if (list->count == STAT_IO_MAX || sscanf(device, "%u:%u", &io->major, &io->minor) != 2)
		return;
	snprintf(io->operation, sizeof(io->operation), "%s", operation);
	io->value = value;
	list->count++;
}

/* "8:0 Read 4096" for each device and operation; the sum of all has no device */
static void read_v1_io_file(StatIoList *list, const CgroupLayout *layout, const char *cgroup, const char *file)
{
	autofree char *below = string_printf("%s_recursive", file);
	autofree char *all = read_stat(layout, cgroup, "blkio", below), *own = read_stat(layout, cgroup, "blkio", file);
	char *rest = *all ? all : own;

	for (char *line; (line = strsep(&rest, "\n"));) {
		char device[32], operation[12];
		long long value;
		if (sscanf(line, "%31s %11s %lld", device, operation, &value) == 3)
			add_io(list, device, operation, value);
	}
}

/* "8:0 rbytes=4096 wbytes=0 rios=1 ..." for each device */
static void read_v2_io_word(CgroupStats *stats, const char *device, const char *word)
{
	static const struct {
		const char *prefix, *operation;
		size_t list;
	} words[] = {
		{"rbytes=", "read", offsetof(CgroupStats, io_bytes)},
		{"wbytes=", "write", offsetof(CgroupStats, io_bytes)},
		{"rios=", "read", offsetof(CgroupStats, io_operations)},
		{"wios=", "write", offsetof(CgroupStats, io_operations)},
	};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (string_starts(word, words[i].prefix))
			add_io((StatIoList *)((char *)stats + words[i].list), device, words[i].operation,
				strtoll(word + strlen(words[i].prefix), NULL, 10));
}

static void read_v2_io(CgroupStats *stats, const CgroupLayout *layout, const char *cgroup)
{
	autofree char *text = read_stat(layout, cgroup, "io", "io.stat");
	char *rest = text;

	for (char *line; (line = strsep(&rest, "\n"));) {
		const char *device = strsep(&line, " ");
		for (char *word; (word = strsep(&line, " "));)
			read_v2_io_word(stats, device, word);
	}
}

static void read_v1(CgroupStats *stats, const CgroupLayout *layout, const char *cgroup)
{
	read_sources(stats, layout, cgroup, v1_sources, sizeof(v1_sources) / sizeof(v1_sources[0]));
	read_each_cpu(stats, layout, cgroup);
	read_v1_io_file(&stats->io_bytes, layout, cgroup, "blkio.throttle.io_service_bytes");
	read_v1_io_file(&stats->io_operations, layout, cgroup, "blkio.throttle.io_serviced");
}

static void read_v2(CgroupStats *stats, const CgroupLayout *layout, const char *cgroup)
{
	read_sources(stats, layout, cgroup, v2_sources, sizeof(v2_sources) / sizeof(v2_sources[0]));
	read_v2_io(stats, layout, cgroup);
}

static bool group_exists(const CgroupLayout *layout, const char *cgroup)
{
	for (size_t i = 0; i < layout->count; i++) {
		autofree char *path = cgroup_path(&layout->items[i], cgroup, NULL);
		if (file_exists(AT_FDCWD, path))
			return true;
	}
	return false;
}

fallible cgroup_stats_read(CgroupStats *ret, const CgroupLayout *layout, const char *cgroup)
{
	CgroupStats stats = {0};

	if (!group_exists(layout, cgroup))
		return error_new(ERROR_NOT_FOUND, "control group \"%s\" is not there", cgroup);
	if (cgroup_is_v2(layout))
		read_v2(&stats, layout, cgroup);
	else
		read_v1(&stats, layout, cgroup);
	read_memory(&stats, layout, cgroup);
	if (stats.memory_limit >= NO_LIMIT)
		stats.memory_limit = 0;
	*ret = stats;
	return NULL;
}

char *cgroup_oom_file(const CgroupLayout *layout, const char *cgroup)
{
	const CgroupHierarchy *memory = cgroup_hierarchy(layout, "memory");

	return memory ? cgroup_path(memory, cgroup, memory->is_v2 ? "memory.events" : "memory.oom_control") : NULL;
}

// SPDX-License-Identifier: Apache-2.0
#include "api/container_metrics.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/memory.h"

#define CPU_PERIOD_DEFAULT 100000 /* microseconds: the kernel's */
#define NANO_CPUS_ONE INT64_C(1000000000)

/* ---- looking ---- */

static void sample_labels(ContainerSample *sample, const ContainerView *view)
{
	autoclear(Buffer) labels = {0};

	metric_label(&labels, "id", view->cgroup);
	metric_label(&labels, "image", view->spec->image);
	metric_label(&labels, "name", view->name);
	sample->labels = buffer_steal(&labels);
}

static void sample_limits(ContainerSample *sample, const ContainerSpec *spec)
{
	sample->limit = spec->memory;
	sample->reservation = spec->memory_reservation;
	sample->swap_limit = spec->memory_swap > 0 ? spec->memory_swap : 0;
	sample->cpu_period = spec->cpu_period ? spec->cpu_period : CPU_PERIOD_DEFAULT;
	sample->cpu_quota = spec->nano_cpus ? spec->nano_cpus / (NANO_CPUS_ONE / sample->cpu_period) : spec->cpu_quota;
	sample->has_quota = sample->cpu_quota > 0;
	sample->cpu_shares = spec->cpu_shares;
}

/* Version 1 counts what is below a group under "total_"; version 2 does so always, and has words of its own. */
static int64_t memory_number(const CgroupStats *cgroup, const char *v1, const char *v2)
{
	const char *const words[] = {v1, v2};

	for (size_t word = 0; word < COUNT(words); word++)
		for (size_t i = 0; i < cgroup->memory_count; i++)
			if (string_equal(cgroup->memory[i].name, words[word]))
				return cgroup->memory[i].value;
	return 0;
}

static void sample_memory(ContainerSample *sample, const CgroupStats *cgroup)
{
	sample->memory = cgroup->memory_usage;
	sample->memory_peak = cgroup->memory_max_usage;
	sample->cache = memory_number(cgroup, "total_cache", "file");
	sample->rss = memory_number(cgroup, "total_rss", "anon");
	sample->mapped = memory_number(cgroup, "total_mapped_file", "file_mapped");
	sample->swap = memory_number(cgroup, "total_swap", "") + cgroup->memory_swap;
	sample->active_file = memory_number(cgroup, "total_active_file", "active_file");
	sample->inactive_file = memory_number(cgroup, "total_inactive_file", "inactive_file");
	sample->page_faults = memory_number(cgroup, "total_pgfault", "pgfault");
	sample->major_faults = memory_number(cgroup, "total_pgmajfault", "pgmajfault");
	sample->working_set = sample->memory > sample->inactive_file ? sample->memory - sample->inactive_file : 0;
	sample->oom_kills = cgroup->memory_oom_kills;
}

static void sample_cpu(ContainerSample *sample, const CgroupStats *cgroup)
{
	sample->cpu_ns = cgroup->cpu_total_ns;
	sample->cpu_user_ns = cgroup->cpu_user_ns;
	sample->cpu_system_ns = cgroup->cpu_system_ns;
	sample->periods = cgroup->cpu_periods;
	sample->throttled_periods = cgroup->cpu_throttled_periods;
	sample->throttled_ns = cgroup->cpu_throttled_ns;
	sample->threads = cgroup->pids_current;
	sample->threads_max = cgroup->pids_limit;
}

static DiskSample *find_disk(ContainerSample *sample, const StatIo *io)
{
	DiskSample *disk = sample->disks;

	while (disk < sample->disks + sample->disk_count && (disk->major != io->major || disk->minor != io->minor))
		disk++;
	if (disk == sample->disks + SAMPLE_DISKS_MAX)
		return NULL;
	if (disk == sample->disks + sample->disk_count) {
		*disk = (DiskSample){.major = io->major, .minor = io->minor};
		sample->disk_count++;
	}
	return disk;
}

static void sample_io(ContainerSample *sample, const StatIoList *list, size_t read_offset, size_t write_offset)
{
	for (size_t i = 0; i < list->count; i++) {
		const StatIo *io = &list->items[i];
		bool reads = strcasecmp(io->operation, "read") == 0, writes = strcasecmp(io->operation, "write") == 0;
		DiskSample *disk = reads || writes ? find_disk(sample, io) : NULL;
		if (disk)
			*(int64_t *)((char *)disk + (reads ? read_offset : write_offset)) += io->value;
	}
}

static void sample_disks(ContainerSample *sample, const CgroupStats *cgroup)
{
	if (cgroup->io_bytes.count + cgroup->io_operations.count == 0)
		return;
	sample->disks = mem_array(NULL, SAMPLE_DISKS_MAX, sizeof(DiskSample));
	sample_io(sample, &cgroup->io_bytes, offsetof(DiskSample, read_bytes), offsetof(DiskSample, written_bytes));
	sample_io(sample, &cgroup->io_operations, offsetof(DiskSample, reads), offsetof(DiskSample, writes));
}

/* Those of a namespace that it shares are counted with the container that has it. */
static void sample_networks(ContainerSample *sample, const ContainerStats *stats, const ContainerSpec *spec)
{
	if (stats->network_count == 0 || string_starts(spec->network_mode ? spec->network_mode : "", "container:"))
		return;
	sample->networks = mem_dup(stats->networks, stats->network_count * sizeof(NetworkStats));
	sample->network_count = stats->network_count;
}

static void sample_usage(ContainerSample *sample, Container *container, const ContainerSpec *spec)
{
	ContainerStats stats;
	Error *error = container_usage(&stats, container);

	if (error || !stats.read_wall_ns) {
		error_free(error); /* it has ended meanwhile */
		return;
	}
	sample->runs = true;
	sample->seen_ns = stats.read_wall_ns;
	sample_cpu(sample, &stats.cgroup);
	sample_memory(sample, &stats.cgroup);
	sample_disks(sample, &stats.cgroup);
	sample_networks(sample, &stats, spec);
}

void container_sample(ContainerSample *ret, Container *container)
{
	ContainerSample sample = {.labels = NULL};
	ContainerView view;

	container_view(container, &view);
	sample.state = view.state;
	sample.health = view.health;
	sample.exit_code = view.exit_code;
	sample.restarts = view.restart_count;
	sample.started_ns = view.started_ns;
	sample_labels(&sample, &view);
	sample_limits(&sample, view.spec);
	sample_usage(&sample, container, view.spec);
	*ret = sample;
}

void container_sample_clear(ContainerSample *sample)
{
	free(sample->labels);
	free(sample->networks);
	free(sample->disks);
}

/* ---- families with one number for each container ---- */

typedef enum Presence { ALWAYS, RUNS, WITH_QUOTA } Presence; /* of which containers there is a sample */

typedef struct PlainFamily {
	MetricFamily family;
	Presence presence;
	size_t offset;    /* of the number in a ContainerSample */
	const char *more; /* labels of this number */
} PlainFamily;

#define OF(member) offsetof(ContainerSample, member)

/* Rows of one family stand together. */
static const PlainFamily plain[] = {
	{{"container_last_seen", "gauge", "When a container was last seen to run, in seconds since 1970.",
		 METRIC_NANOS},
		RUNS, OF(seen_ns), NULL},
	{{"container_start_time_seconds", "gauge", "When it was started, in seconds since 1970.", METRIC_NANOS}, RUNS,
		OF(started_ns), NULL},
	{{"container_cpu_usage_seconds_total", "counter", "Processor time, all processors together.", METRIC_NANOS},
		RUNS, OF(cpu_ns), "cpu=\"total\""},
	{{"container_cpu_user_seconds_total", "counter", "Processor time in its programs.", METRIC_NANOS}, RUNS,
		OF(cpu_user_ns), NULL},
	{{"container_cpu_system_seconds_total", "counter", "Processor time in the kernel.", METRIC_NANOS}, RUNS,
		OF(cpu_system_ns), NULL},
	{{"container_cpu_cfs_periods_total", "counter", "Periods of its quota that have passed.", METRIC_NUMBER},
		WITH_QUOTA, OF(periods), NULL},
	{{"container_cpu_cfs_throttled_periods_total", "counter", "Periods in which it wanted more than its quota.",
		 METRIC_NUMBER},
		WITH_QUOTA, OF(throttled_periods), NULL},
	{{"container_cpu_cfs_throttled_seconds_total", "counter", "How long its processes were held by its quota.",
		 METRIC_NANOS},
		WITH_QUOTA, OF(throttled_ns), NULL},
	{{"container_memory_usage_bytes", "gauge", "Memory in use, caches included.", METRIC_NUMBER}, RUNS, OF(memory),
		NULL},
	{{"container_memory_max_usage_bytes", "gauge", "The most memory that was in use.", METRIC_NUMBER}, RUNS,
		OF(memory_peak), NULL},
	{{"container_memory_working_set_bytes", "gauge", "Memory in use without caches that have not been used lately.",
		 METRIC_NUMBER},
		RUNS, OF(working_set), NULL},
	{{"container_memory_cache", "gauge", "Bytes of files in memory.", METRIC_NUMBER}, RUNS, OF(cache), NULL},
	{{"container_memory_rss", "gauge", "Bytes of memory that no file stands behind.", METRIC_NUMBER}, RUNS, OF(rss),
		NULL},
	{{"container_memory_mapped_file", "gauge", "Bytes of files that are mapped.", METRIC_NUMBER}, RUNS, OF(mapped),
		NULL},
	{{"container_memory_swap", "gauge", "Bytes in swap.", METRIC_NUMBER}, RUNS, OF(swap), NULL},
	{{"container_memory_total_active_file_bytes", "gauge", "Bytes of files that were used lately.", METRIC_NUMBER},
		RUNS, OF(active_file), NULL},
	{{"container_memory_total_inactive_file_bytes", "gauge", "Bytes of files that were not used lately.",
		 METRIC_NUMBER},
		RUNS, OF(inactive_file), NULL},
	{{"container_memory_failures_total", "counter", "Page faults.", METRIC_NUMBER}, RUNS, OF(page_faults),
		"failure_type=\"pgfault\",scope=\"hierarchy\""},
	{{"container_memory_failures_total", "counter", "Page faults.", METRIC_NUMBER}, RUNS, OF(major_faults),
		"failure_type=\"pgmajfault\",scope=\"hierarchy\""},
	{{"container_oom_events_total", "counter", "Processes that were killed for want of memory.", METRIC_NUMBER},
		RUNS, OF(oom_kills), NULL},
	{{"container_threads", "gauge", "Processes and threads.", METRIC_NUMBER}, RUNS, OF(threads), NULL},
	{{"container_threads_max", "gauge", "How many it may have; 0 is no limit.", METRIC_NUMBER}, RUNS,
		OF(threads_max), NULL},
	{{"container_spec_memory_limit_bytes", "gauge", "Memory that it may use; 0 is no limit.", METRIC_NUMBER}, RUNS,
		OF(limit), NULL},
	{{"container_spec_memory_reservation_limit_bytes", "gauge", "Memory that it keeps when there is too little.",
		 METRIC_NUMBER},
		RUNS, OF(reservation), NULL},
	{{"container_spec_memory_swap_limit_bytes", "gauge", "Memory and swap that it may use; 0 is no limit.",
		 METRIC_NUMBER},
		RUNS, OF(swap_limit), NULL},
	{{"container_spec_cpu_period", "gauge", "Period of its quota, in microseconds.", METRIC_NUMBER}, RUNS,
		OF(cpu_period), NULL},
	{{"container_spec_cpu_quota", "gauge", "Processor time that it may have in a period, in microseconds.",
		 METRIC_NUMBER},
		WITH_QUOTA, OF(cpu_quota), NULL},
	{{"container_spec_cpu_shares", "gauge", "Its weight among others; 0 is the usual one.", METRIC_NUMBER}, RUNS,
		OF(cpu_shares), NULL},
	{{"kedge_container_restarts_total", "counter", "How often its restart policy has started it.", METRIC_NUMBER},
		ALWAYS, OF(restarts), NULL},
	{{"kedge_container_exit_code", "gauge", "Status of its last end; 0 before the first.", METRIC_NUMBER}, ALWAYS,
		OF(exit_code), NULL},
};

static bool is_present(const ContainerSample *sample, Presence presence)
{
	return presence == ALWAYS || (sample->runs && (presence == RUNS || sample->has_quota));
}

static bool begins_family(size_t row)
{
	return row == 0 || !string_equal(plain[row].family.name, plain[row - 1].family.name);
}

static void write_plain(Buffer *out, size_t row, const ContainerSample *samples, size_t count)
{
	const PlainFamily *it = &plain[row];
	bool has_head = !begins_family(row);

	for (size_t i = 0; i < count; i++) {
		if (!is_present(&samples[i], it->presence))
			continue;
		if (!has_head)
			metric_head(out, &it->family);
		has_head = true;
		metric_sample(out, &it->family, samples[i].labels, it->more,
			*(const int64_t *)((const char *)&samples[i] + it->offset));
	}
}

/* ---- states, as words ---- */

static void write_states(Buffer *out, const ContainerSample *samples, size_t count)
{
	static const MetricFamily family = {
		"kedge_container_state", "gauge", "1, with the state that it is in.", METRIC_NUMBER};

	for (size_t i = 0; i < count; i++) {
		autoclear(Buffer) more = {0};
		metric_label(&more, "state", container_state_name(samples[i].state));
		if (i == 0)
			metric_head(out, &family);
		metric_sample(out, &family, samples[i].labels, buffer_text(&more), 1);
	}
}

static void write_healths(Buffer *out, const ContainerSample *samples, size_t count)
{
	static const MetricFamily family = {"kedge_container_health", "gauge",
		"1, with what its health check has found; of containers that have one.", METRIC_NUMBER};
	bool has_head = false;

	for (size_t i = 0; i < count; i++) {
		autoclear(Buffer) more = {0};
		if (samples[i].health == HEALTH_NONE)
			continue;
		if (!has_head)
			metric_head(out, &family);
		has_head = true;
		metric_label(&more, "health", health_state_name(samples[i].health));
		metric_sample(out, &family, samples[i].labels, buffer_text(&more), 1);
	}
}

/* ---- one number for each interface, and for each disk ---- */

typedef struct PartFamily {
	MetricFamily family;
	size_t offset; /* of the number in a NetworkStats, or a DiskSample */
} PartFamily;

#define NETWORK(member) offsetof(NetworkStats, member)
#define DISK(member) offsetof(DiskSample, member)

static const PartFamily network_families[] = {
	{{"container_network_receive_bytes_total", "counter", "Bytes that came.", METRIC_NUMBER}, NETWORK(rx_bytes)},
	{{"container_network_receive_packets_total", "counter", "Packets that came.", METRIC_NUMBER},
		NETWORK(rx_packets)},
	{{"container_network_receive_errors_total", "counter", "Packets that came damaged.", METRIC_NUMBER},
		NETWORK(rx_errors)},
	{{"container_network_receive_packets_dropped_total", "counter", "Packets that came and were dropped.",
		 METRIC_NUMBER},
		NETWORK(rx_dropped)},
	{{"container_network_transmit_bytes_total", "counter", "Bytes that were sent.", METRIC_NUMBER},
		NETWORK(tx_bytes)},
	{{"container_network_transmit_packets_total", "counter", "Packets that were sent.", METRIC_NUMBER},
		NETWORK(tx_packets)},
	{{"container_network_transmit_errors_total", "counter", "Packets that could not be sent.", METRIC_NUMBER},
		NETWORK(tx_errors)},
	{{"container_network_transmit_packets_dropped_total", "counter", "Packets that were dropped before they went.",
		 METRIC_NUMBER},
		NETWORK(tx_dropped)},
};

static const PartFamily disk_families[] = {
	{{"container_fs_reads_bytes_total", "counter", "Bytes read from the disk.", METRIC_NUMBER}, DISK(read_bytes)},
	{{"container_fs_reads_total", "counter", "Reads from the disk.", METRIC_NUMBER}, DISK(reads)},
	{{"container_fs_writes_bytes_total", "counter", "Bytes written to the disk.", METRIC_NUMBER},
		DISK(written_bytes)},
	{{"container_fs_writes_total", "counter", "Writes to the disk.", METRIC_NUMBER}, DISK(writes)},
};

static void network_label(Buffer *more, const ContainerSample *sample, size_t part)
{
	metric_label(more, "interface", sample->networks[part].name);
}

/* "/dev/sda", as cAdvisor has it; one that is gone by now is "8:0". Source: kernel, Documentation/ABI, sysfs-dev. */
static void disk_label(Buffer *more, const ContainerSample *sample, size_t part)
{
	const DiskSample *disk = &sample->disks[part];
	char link[64], target[PATH_MAX], name[96];
	ssize_t length;

	snprintf(link, sizeof(link), "/sys/dev/block/%u:%u", disk->major, disk->minor);
	length = readlink(link, target, sizeof(target) - 1);
	target[length > 0 ? length : 0] = '\0';
	if (strrchr(target, '/'))
		snprintf(name, sizeof(name), "/dev/%.80s", strrchr(target, '/') + 1);
	else
		snprintf(name, sizeof(name), "%u:%u", disk->major, disk->minor);
	metric_label(more, "device", name);
}

typedef struct Parts {
	const PartFamily *families;
	size_t list, count, size; /* in a ContainerSample: the items, their number; the size of one */
	void (*label)(Buffer *more, const ContainerSample *sample, size_t part);
} Parts;

static const Parts network_parts = {
	network_families, OF(networks), OF(network_count), sizeof(NetworkStats), network_label};
static const Parts disk_parts = {disk_families, OF(disks), OF(disk_count), sizeof(DiskSample), disk_label};

static void write_sample_parts(Buffer *out, const Parts *parts, const PartFamily *it, const ContainerSample *sample)
{
	const char *items = *(char *const *)((const char *)sample + parts->list);
	size_t count = *(const size_t *)((const char *)sample + parts->count);

	for (size_t part = 0; part < count; part++) {
		autoclear(Buffer) more = {0};
		parts->label(&more, sample, part);
		metric_sample(out, &it->family, sample->labels, buffer_text(&more),
			*(const int64_t *)(items + part * parts->size + it->offset));
	}
}

static void write_parts(Buffer *out, const Parts *parts, size_t number, const ContainerSample *samples, size_t count)
{
	const PartFamily *it = &parts->families[number];
	autoclear(Buffer) lines = {0};

	for (size_t i = 0; i < count; i++)
		write_sample_parts(&lines, parts, it, &samples[i]);
	if (lines.length == 0)
		return;
	metric_head(out, &it->family);
	buffer_add(out, lines.data, lines.length);
}

/* ---- all of them ---- */

bool container_metrics_write(Buffer *out, size_t number, const ContainerSample *samples, size_t count)
{
	if (number < COUNT(plain)) {
		write_plain(out, number, samples, count);
		return true;
	}
	number -= COUNT(plain);
	if (number < COUNT(network_families)) {
		write_parts(out, &network_parts, number, samples, count);
		return true;
	}
	number -= COUNT(network_families);
	if (number < COUNT(disk_families)) {
		write_parts(out, &disk_parts, number, samples, count);
		return true;
	}
	number -= COUNT(disk_families);
	if (number == 0)
		write_states(out, samples, count);
	else if (number == 1)
		write_healths(out, samples, count);
	return number < 2;
}

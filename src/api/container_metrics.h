// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * What /metrics says of containers, in cAdvisor's names and labels where it has some. A ContainerSample is what was
 * found of one at one moment; it is small, so that a thousand of them can be held while they are written family by
 * family, as the format wants it. Source: cadvisor, docs/storage/prometheus.md.
 */
#include "api/exposition.h"
#include "engine/stats.h"

enum { SAMPLE_DISKS_MAX = 16, SAMPLE_NETWORKS_MAX = 16 };

typedef struct DiskSample {
	unsigned major, minor;
	int64_t read_bytes, written_bytes, reads, writes;
} DiskSample;

typedef struct ContainerSample {
	char *labels;
	bool runs; /* what comes of its control group is there */
	bool has_quota, has_swap;
	ContainerState state;
	HealthState health;
	int64_t exit_code, restarts, started_ns, seen_ns;
	int64_t cpu_ns, cpu_user_ns, cpu_system_ns, periods, throttled_periods, throttled_ns;
	int64_t memory, memory_peak, working_set, cache, rss, swap, mapped, active_file, inactive_file;
	int64_t page_faults, major_faults, oom_kills;
	int64_t threads, threads_max;
	int64_t limit, reservation, swap_limit, cpu_period, cpu_quota, cpu_shares;
	NetworkStats *networks;
	size_t network_count;
	DiskSample *disks;
	size_t disk_count;
} ContainerSample;

void container_sample(ContainerSample *ret, Container *container);
void container_sample_clear(ContainerSample *sample);

/* Writes the family of that number, nothing where no container has a sample of it. false: there are no more. */
bool container_metrics_write(Buffer *out, size_t number, const ContainerSample *samples, size_t count);

// SPDX-License-Identifier: Apache-2.0
#pragma once
/* Resource use of one container, read from its control groups when asked: nothing is sampled in the background
 * (invariant 6). */
#include "engine/container.h"
#include "runtime/cgroup.h"

typedef struct NetworkStats {
	char name[16];
	int64_t rx_bytes, rx_packets, rx_errors, rx_dropped, tx_bytes, tx_packets, tx_errors, tx_dropped;
} NetworkStats;

typedef struct ContainerStats {
	int64_t read_wall_ns;
	CgroupStats cgroup;
	int64_t system_cpu_ns; /* of the whole machine, as /proc/stat has it */
	int64_t online_cpus;
	NetworkStats networks[16]; /* of its own network namespace; none with host networking */
	size_t network_count;
} ContainerStats;

fallible container_stats(ContainerStats *ret, Container *container); /* all zero for one that does not run */
/* The same without what is the whole machine's: system_cpu_ns is 0, and memory without a limit has limit 0. */
fallible container_usage(ContainerStats *ret, Container *container);

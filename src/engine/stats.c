// SPDX-License-Identifier: Apache-2.0
#include "engine/stats.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/files.h"
#include "engine/container_internal.h"

enum { PROC_FILE_MAX = 256 << 10 };

/* The first line of /proc/stat: user, nice, system, idle, iowait, irq, softirq, steal in clock ticks. Source: proc(5).
 */
static fallible system_cpu(int64_t *ret_ns)
{
	autofree char *text = NULL;
	unsigned long long ticks[8] = {0}, sum = 0;

	TRY(file_read(&text, NULL, AT_FDCWD, "/proc/stat", PROC_FILE_MAX));
	sscanf(text, "cpu %llu %llu %llu %llu %llu %llu %llu %llu", &ticks[0], &ticks[1], &ticks[2], &ticks[3],
		&ticks[4], &ticks[5], &ticks[6], &ticks[7]);
	for (size_t i = 0; i < 8; i++)
		sum += ticks[i];
	*ret_ns = (int64_t)sum * (NANOS_PER_SECOND / sysconf(_SC_CLK_TCK));
	return NULL;
}

static bool network_line(NetworkStats *ret, const char *line)
{
	long long rx[4], tx[4];
	int fields = sscanf(line, " %15[^:]: %lld %lld %lld %lld %*d %*d %*d %*d %lld %lld %lld %lld", ret->name,
		&rx[0], &rx[1], &rx[2], &rx[3], &tx[0], &tx[1], &tx[2], &tx[3]);

	if (fields != 9 || string_equal(ret->name, "lo"))
		return false;
	ret->rx_bytes = rx[0];
	ret->rx_packets = rx[1];
	ret->rx_errors = rx[2];
	ret->rx_dropped = rx[3];
	ret->tx_bytes = tx[0];
	ret->tx_packets = tx[1];
	ret->tx_errors = tx[2];
	ret->tx_dropped = tx[3];
	return true;
}

/* The interfaces of the container's own namespace, as its init sees them. Source: proc(5), net/dev. */
static fallible networks_read(ContainerStats *stats, int64_t pid)
{
	autofree char *path = string_printf("/proc/%lld/net/dev", (long long)pid);
	autofree char *text = NULL;
	size_t most = sizeof(stats->networks) / sizeof(stats->networks[0]);

	TRY(file_read(&text, NULL, AT_FDCWD, path, PROC_FILE_MAX));
	for (char *line = strchr(text, '\n'); line && stats->network_count < most; line = strchr(line + 1, '\n')) {
		if (network_line(&stats->networks[stats->network_count], line + 1))
			stats->network_count++;
	}
	return NULL;
}

fallible container_usage(ContainerStats *ret, Container *container)
{
	ContainerStats stats = {.read_wall_ns = clock_wall_ns(), .online_cpus = sysconf(_SC_NPROCESSORS_ONLN)};

	if (!container_is_live(container)) {
		*ret = (ContainerStats){0}; /* also of the time, as Docker has it */
		return NULL;
	}
	TRY(cgroup_stats_read(&stats.cgroup, container->engine->cgroups, container->cgroup));
	if (!string_equal(container->record.spec.network_mode, "host") && container->record.pid)
		error_free(networks_read(&stats, container->record.pid)); /* it may end while we look */
	*ret = stats;
	return NULL;
}

fallible container_stats(ContainerStats *ret, Container *container)
{
	ContainerStats stats;

	TRY(container_usage(&stats, container));
	if (stats.read_wall_ns) {
		TRY(system_cpu(&stats.system_cpu_ns));
		if (!stats.cgroup.memory_limit)
			stats.cgroup.memory_limit = (int64_t)sysconf(_SC_PHYS_PAGES) * sysconf(_SC_PAGESIZE);
	}
	*ret = stats;
	return NULL;
}

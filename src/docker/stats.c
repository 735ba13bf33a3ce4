// SPDX-License-Identifier: Apache-2.0
/* GET /containers/{id}/stats. Clients compute rates from two samples: each answer carries the one before it as
 * "precpu_stats". */
#include "engine/stats.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/memory.h"
#include "docker/forms.h"
#include "docker/internal.h"
#include "docker/machine.h"

#define SAMPLE_INTERVAL NANOS_PER_SECOND

typedef struct StatsStream {
	HttpRequest *request;
	HttpStream *stream; /* NULL: one answer */
	Container *container;
	Source *timer;
	int version; /* of the API */
	ContainerStats last;
} StatsStream;

/* ---- writing ---- */

static void write_each_cpu(Writer *writer, const CgroupStats *cgroup)
{
	if (!cgroup->cpu_count)
		return;
	write_array(writer, "percpu_usage");
	for (size_t i = 0; i < cgroup->cpu_count; i++)
		write_int(writer, NULL, cgroup->cpu_each_ns[i]);
	write_array_end(writer);
}

static void write_cpu(Writer *writer, const char *key, const ContainerStats *stats)
{
	write_object(writer, key);
	write_object(writer, "cpu_usage");
	write_int(writer, "total_usage", stats->cgroup.cpu_total_ns);
	write_each_cpu(writer, &stats->cgroup);
	write_int(writer, "usage_in_kernelmode", stats->cgroup.cpu_system_ns);
	write_int(writer, "usage_in_usermode", stats->cgroup.cpu_user_ns);
	write_object_end(writer);
	if (stats->system_cpu_ns) {
		write_int(writer, "system_cpu_usage", stats->system_cpu_ns);
		write_int(writer, "online_cpus", stats->online_cpus);
	}
	write_object(writer, "throttling_data");
	write_int(writer, "periods", stats->cgroup.cpu_periods);
	write_int(writer, "throttled_periods", stats->cgroup.cpu_throttled_periods);
	write_int(writer, "throttled_time", stats->cgroup.cpu_throttled_ns);
	write_object_end(writer);
	write_object_end(writer);
}

/* The command line subtracts total_inactive_file (v1) or inactive_file (v2) from usage. */
static void write_memory(Writer *writer, const CgroupStats *cgroup)
{
	write_object(writer, "memory_stats");
	if (cgroup->memory_usage || cgroup->memory_limit) {
		write_int(writer, "usage", cgroup->memory_usage);
		write_int(writer, "max_usage", cgroup->memory_max_usage);
		write_object(writer, "stats");
		for (size_t i = 0; i < cgroup->memory_count; i++)
			write_int(writer, cgroup->memory[i].name, cgroup->memory[i].value);
		write_object_end(writer);
		write_int(writer, "limit", cgroup->memory_limit > 0 ? cgroup->memory_limit : machine_memory());
	}
	write_object_end(writer);
}

static void write_io(Writer *writer, const char *key, const StatIoList *list)
{
	write_array(writer, key);
	for (size_t i = 0; i < list->count; i++) {
		const StatIo *io = &list->items[i];
		write_object(writer, NULL);
		write_int(writer, "major", io->major);
		write_int(writer, "minor", io->minor);
		write_string(writer, "op", io->operation);
		write_int(writer, "value", io->value);
		write_object_end(writer);
	}
	write_array_end(writer);
}

/* Lists that kernels without CFQ do not fill are empty, and null of a container that does not run. */
static void write_blkio(Writer *writer, const ContainerStats *stats)
{
	static const char *const absent[] = {"io_queue_recursive", "io_service_time_recursive",
		"io_wait_time_recursive", "io_merged_recursive", "io_time_recursive", "sectors_recursive"};
	bool runs = stats->system_cpu_ns != 0;

	write_object(writer, "blkio_stats");
	if (runs) {
		write_io(writer, "io_service_bytes_recursive", &stats->cgroup.io_bytes);
		write_io(writer, "io_serviced_recursive", &stats->cgroup.io_operations);
	} else {
		write_null(writer, "io_service_bytes_recursive");
		write_null(writer, "io_serviced_recursive");
	}
	for (size_t i = 0; i < sizeof(absent) / sizeof(absent[0]); i++)
		write_raw(writer, absent[i], runs ? "[]" : "null");
	write_object_end(writer);
}

static void write_network(Writer *writer, const char *key, const NetworkStats *network)
{
	write_object(writer, key);
	write_int(writer, "rx_bytes", network->rx_bytes);
	write_int(writer, "rx_packets", network->rx_packets);
	write_int(writer, "rx_errors", network->rx_errors);
	write_int(writer, "rx_dropped", network->rx_dropped);
	write_int(writer, "tx_bytes", network->tx_bytes);
	write_int(writer, "tx_packets", network->tx_packets);
	write_int(writer, "tx_errors", network->tx_errors);
	write_int(writer, "tx_dropped", network->tx_dropped);
	write_object_end(writer);
}

/* Until 1.20 all of them were one. */
static void write_network_sum(Writer *writer, const ContainerStats *stats)
{
	NetworkStats sum = {.rx_bytes = 0};

	for (size_t i = 0; i < stats->network_count; i++) {
		const NetworkStats *network = &stats->networks[i];
		sum.rx_bytes += network->rx_bytes;
		sum.rx_packets += network->rx_packets;
		sum.rx_errors += network->rx_errors;
		sum.rx_dropped += network->rx_dropped;
		sum.tx_bytes += network->tx_bytes;
		sum.tx_packets += network->tx_packets;
		sum.tx_errors += network->tx_errors;
		sum.tx_dropped += network->tx_dropped;
	}
	write_network(writer, "network", &sum);
}

static void write_networks(Writer *writer, const ContainerStats *stats)
{
	if (stats->network_count == 0)
		return;
	write_object(writer, "networks");
	for (size_t i = 0; i < stats->network_count; i++)
		write_network(writer, stats->networks[i].name, &stats->networks[i]);
	write_object_end(writer);
}

static void write_pids(Writer *writer, const CgroupStats *cgroup)
{
	write_object(writer, "pids_stats");
	if (cgroup->pids_current)
		write_int(writer, "current", cgroup->pids_current);
	if (cgroup->pids_limit > 0)
		write_int(writer, "limit", cgroup->pids_limit);
	write_object_end(writer);
}

static void write_sample(Buffer *out, const StatsStream *stats, const ContainerStats *now)
{
	const ContainerStats *before = &stats->last;
	ContainerView view;
	Writer writer;

	container_view(stats->container, &view);
	writer_init(&writer, out);
	write_object(&writer, NULL);
	write_time(&writer, "read", now->read_wall_ns);
	write_time(&writer, "preread", before->read_wall_ns);
	write_pids(&writer, &now->cgroup);
	write_blkio(&writer, now);
	write_int(&writer, "num_procs", 0);
	write_raw(&writer, "storage_stats", "{}");
	write_cpu(&writer, "cpu_stats", now);
	write_cpu(&writer, "precpu_stats", before);
	write_memory(&writer, &now->cgroup);
	write_stringf(&writer, "name", "/%s", view.name);
	write_string(&writer, "id", view.id);
	if (stats->version < 21)
		write_network_sum(&writer, now);
	else
		write_networks(&writer, now);
	write_object_end(&writer);
}

/* ---- sampling ---- */

static void stats_free(StatsStream *stats)
{
	source_free(stats->timer);
	container_unref(stats->container);
	free(stats);
}

static void on_gone(void *arg)
{
	stats_free(arg);
}

static void stats_finish(StatsStream *stats, Error *error)
{
	if (stats->stream) {
		error_free(error); /* the answer has begun: its end is all that can be told */
		http_stream_end(stats->stream);
	} else {
		http_respond_error(stats->request, error);
	}
	stats_free(stats);
}

static void send_sample(StatsStream *stats, const ContainerStats *now)
{
	autoclear(Buffer) out = {0};

	write_sample(&out, stats, now);
	if (!stats->stream) {
		respond_json(stats->request, 200, &out);
		stats_free(stats);
		return;
	}
	buffer_add_char(&out, '\n');
	if (http_stream_pending(stats->stream) == 0) /* a client that does not read gets fewer samples */
		http_stream_write(stats->stream, out.data, out.length);
	stats->last = *now;
	source_rearm(stats->timer, SAMPLE_INTERVAL);
}

static void on_timer(void *arg)
{
	StatsStream *stats = arg;
	ContainerStats now;
	Error *error = container_stats(&now, stats->container);

	if (error)
		stats_finish(stats, error);
	else
		send_sample(stats, &now);
}

/* The next program begins with a sample that is not sent: what comes before the next one. */
static void carry(void *arg, HttpCarry *ret)
{
	(void)arg, (void)ret;
}

static fallible begin_sampling(StatsStream *stats, Loop *loop, bool at_once)
{
	if (!at_once)
		TRY(container_stats(&stats->last, stats->container));
	return loop_timer(&stats->timer, loop, at_once ? 0 : SAMPLE_INTERVAL, on_timer, stats);
}

/* stream=0 gives one answer, after a second so that it has two samples; one-shot=1 or a container that does not run
 * gives it at once. */
static void container_statistics(HttpRequest *request, void *context)
{
	Container *container = find_container(request, context);
	bool streams = !http_request_query(request, "stream") || http_request_flag(request, "stream");
	bool at_once = (streams && !http_request_carried(request)) ||
		       (docker_version(request) >= 41 && http_request_flag(request, "one-shot"));
	StatsStream *stats;
	Error *error;

	if (!container)
		return;
	stats = mem_new(StatsStream);
	stats->request = request;
	stats->version = docker_version(request);
	stats->container = container_ref(container);
	error = begin_sampling(stats, engine_loop(docker_engine(context)), at_once || !container_is_live(container));
	if (error) {
		stats_finish(stats, error);
		return;
	}
	http_request_on_gone(request, on_gone, stats);
	if (!streams)
		return;
	stats->stream = http_respond_stream(request, 200, "application/json");
	http_stream_on_carry(stats->stream, carry, stats);
}

const HttpRoute stats_routes[] = {
	{"GET", "/containers/{id}/stats", container_statistics, DOCKER_MONITOR, 0},
	{0},
};

// SPDX-License-Identifier: Apache-2.0
#include "api/engine_metrics.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/files.h"
#include "base/memory.h"
#include "docker/machine.h"
#include "engine/event.h"

enum { PROC_FILE_MAX = 64 << 10 };

/* A word that tells numbers of one family apart, and the number. */
typedef struct Tally {
	const char *word;
	int64_t count;
} Tally;

static void write_tallies(
	Buffer *out, const MetricFamily *family, const char *label, const Tally *tallies, size_t count)
{
	metric_head(out, family);
	for (size_t i = 0; i < count; i++) {
		autoclear(Buffer) labels = {0};
		metric_label(&labels, label, tallies[i].word);
		metric_sample(out, family, buffer_text(&labels), NULL, tallies[i].count);
	}
}

/* ---- containers and images ---- */

static void add_tally(Tally *tallies, size_t *count, const char *word, int64_t number)
{
	size_t i = 0;

	while (i < *count && !string_equal(tallies[i].word, word))
		i++;
	if (i == *count)
		tallies[(*count)++] = (Tally){word, 0};
	tallies[i].count += number;
}

/* Every word is there, with 0 as well: an alert needs something to compare with. */
static void write_states(Buffer *out, const ContainerSample *samples, size_t sample_count)
{
	static const MetricFamily family = {"kedge_containers", "gauge", "Containers, by state.", METRIC_NUMBER};
	Tally tallies[CONTAINER_STATES];
	size_t count = 0;

	for (ContainerState state = 0; state < CONTAINER_STATES; state++)
		add_tally(tallies, &count, container_state_name(state), 0);
	for (size_t i = 0; i < sample_count; i++)
		add_tally(tallies, &count, container_state_name(samples[i].state), 1);
	write_tallies(out, &family, "state", tallies, count);
}

static void write_healths(Buffer *out, const ContainerSample *samples, size_t sample_count)
{
	static const MetricFamily family = {"kedge_containers_health", "gauge",
		"Containers, by what their health checks have found.", METRIC_NUMBER};
	Tally tallies[HEALTH_STATES];
	size_t count = 0;

	for (HealthState health = 0; health < HEALTH_STATES; health++)
		add_tally(tallies, &count, health_state_name(health), 0);
	for (size_t i = 0; i < sample_count; i++)
		add_tally(tallies, &count, health_state_name(samples[i].health), 1);
	write_tallies(out, &family, "health", tallies, count);
}

static void write_counts(Buffer *out, const EngineInfo *info)
{
	static const MetricFamily states = {"engine_daemon_container_states_containers", "gauge",
		"Containers, by the states that Docker counts.", METRIC_NUMBER};
	static const MetricFamily images = {"kedge_images", "gauge", "Images.", METRIC_NUMBER};
	const Tally tallies[] = {{"paused", (int64_t)info->paused}, {"running", (int64_t)info->running},
		{"stopped", (int64_t)info->stopped}};

	write_tallies(out, &states, "state", tallies, COUNT(tallies));
	metric_alone(out, &images, (int64_t)info->images);
}

/* ---- what has happened ---- */

static void write_events(Buffer *out, const EngineCounters *counters, size_t listeners)
{
	static const MetricFamily all = {"engine_daemon_events_total", "counter", "Events.", METRIC_NUMBER};
	static const MetricFamily by_type = {"kedge_events_total", "counter", "Events, by type.", METRIC_NUMBER};
	static const MetricFamily followers = {
		"kedge_events_subscribers", "gauge", "Who follows events at this moment.", METRIC_NUMBER};
	Tally tallies[EVENT_TYPES_MAX];
	int64_t sum = 0;
	size_t count = 0;

	for (; count < EVENT_TYPES_MAX && counters->events[count].type; count++) {
		tallies[count] = (Tally){counters->events[count].type, counters->events[count].count};
		sum += tallies[count].count;
	}
	metric_alone(out, &all, sum);
	metric_alone(out, &followers, (int64_t)listeners);
	if (count > 0)
		write_tallies(out, &by_type, "type", tallies, count);
}

static void write_counters(Buffer *out, const EngineCounters *counters)
{
	static const MetricFamily pulls = {"kedge_pulls_total", "counter", "Pulls that ended, by how.", METRIC_NUMBER};
	static const MetricFamily checks = {
		"engine_daemon_health_checks_total", "counter", "Health checks that ended.", METRIC_NUMBER};
	static const MetricFamily failed = {"engine_daemon_health_checks_failed_total", "counter",
		"Health checks that did not pass.", METRIC_NUMBER};
	const Tally tallies[] = {{"cancelled", counters->pulls_cancelled}, {"failed", counters->pulls_failed},
		{"success", counters->pulls}};

	write_tallies(out, &pulls, "result", tallies, COUNT(tallies));
	metric_alone(out, &checks, counters->health_checks);
	metric_alone(out, &failed, counters->health_checks_failed);
}

/* ---- what this is ---- */

static void write_version(Buffer *out)
{
	static const MetricFamily family = {
		"kedge_build_info", "gauge", "1, with this program's version.", METRIC_NUMBER};
	autoclear(Buffer) labels = {0};

	metric_label(&labels, "version", KEDGE_VERSION);
	metric_label(&labels, "architecture", machine_architecture());
	metric_label(&labels, "built", machine_build_time());
	metric_head(out, &family);
	metric_sample(out, &family, buffer_text(&labels), NULL, 1);
}

static void write_engine(Buffer *out, const EngineInfo *info)
{
	static const MetricFamily family = {
		"engine_daemon_engine_info", "gauge", "1, with what `docker info` says of the engine.", METRIC_NUMBER};
	autoclear(Buffer) labels = {0};
	struct utsname host;

	uname(&host);
	metric_label(&labels, "architecture", host.machine);
	metric_label(&labels, "daemon_id", info->id);
	metric_label(&labels, "graphdriver", "overlayfs");
	metric_label(&labels, "kernel", host.release);
	metric_label(&labels, "os", machine_system());
	metric_label(&labels, "os_type", "linux");
	metric_label(&labels, "os_version", machine_system_version());
	metric_label(&labels, "version", KEDGE_VERSION);
	metric_head(out, &family);
	metric_sample(out, &family, buffer_text(&labels), NULL, 1);
}

static void write_machine(Buffer *out)
{
	static const MetricFamily cores = {"machine_cpu_cores", "gauge", "Processors of the device.", METRIC_NUMBER};
	static const MetricFamily memory = {"machine_memory_bytes", "gauge", "Memory of the device.", METRIC_NUMBER};

	metric_alone(out, &cores, get_nprocs());
	metric_alone(out, &memory, machine_memory());
}

/* ---- kedged's own process. Source: proc(5), /proc/pid/stat and statm ---- */

/* When it began, in clock ticks since the machine did: the 22nd field. What is before the last ')' may hold anything.
 */
static int64_t start_ticks(const char *stat)
{
	const char *at = strrchr(stat, ')');
	long long ticks = 0;

	if (at)
		sscanf(at + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d %*d %lld",
			&ticks);
	return ticks;
}

static fallible write_start(Buffer *out)
{
	static const MetricFamily start = {
		"process_start_time_seconds", "gauge", "When kedged was started, in seconds since 1970.", METRIC_NANOS};
	autofree char *stat = NULL;

	TRY(file_read(&stat, NULL, AT_FDCWD, "/proc/self/stat", PROC_FILE_MAX));
	metric_alone(out, &start,
		clock_wall_ns() - clock_monotonic_ns() + start_ticks(stat) * (NANOS_PER_SECOND / sysconf(_SC_CLK_TCK)));
	return NULL;
}

static fallible write_memory(Buffer *out)
{
	static const MetricFamily virtual = {
		"process_virtual_memory_bytes", "gauge", "Memory that kedged has mapped.", METRIC_NUMBER};
	static const MetricFamily resident = {
		"process_resident_memory_bytes", "gauge", "Memory that kedged takes.", METRIC_NUMBER};
	autofree char *statm = NULL;
	long long pages[2] = {0};

	TRY(file_read(&statm, NULL, AT_FDCWD, "/proc/self/statm", PROC_FILE_MAX));
	sscanf(statm, "%lld %lld", &pages[0], &pages[1]);
	metric_alone(out, &virtual, pages[0] * sysconf(_SC_PAGESIZE));
	metric_alone(out, &resident, pages[1] * sysconf(_SC_PAGESIZE));
	return NULL;
}

static int64_t time_ns(const struct timeval *time)
{
	return time->tv_sec * NANOS_PER_SECOND + time->tv_usec * 1000;
}

static void write_use(Buffer *out, int64_t up_ns)
{
	static const MetricFamily cpu = {
		"process_cpu_seconds_total", "counter", "Processor time that kedged has taken.", METRIC_NANOS};
	static const MetricFamily files = {"process_open_fds", "gauge", "Descriptors that are open.", METRIC_NUMBER};
	static const MetricFamily most = {"process_max_fds", "gauge", "Descriptors that may be open.", METRIC_NUMBER};
	static const MetricFamily up = {
		"kedge_uptime_seconds", "gauge", "How long this program has served.", METRIC_NANOS};
	struct rusage usage = {.ru_nsignals = 0};
	struct rlimit limit = {.rlim_cur = 0};

	getrusage(RUSAGE_SELF, &usage);
	getrlimit(RLIMIT_NOFILE, &limit);
	metric_alone(out, &cpu, time_ns(&usage.ru_utime) + time_ns(&usage.ru_stime));
	metric_alone(out, &files, machine_open_files());
	metric_alone(out, &most, (int64_t)limit.rlim_cur);
	metric_alone(out, &up, up_ns);
}

fallible engine_metrics_write(Buffer *out, Engine *engine, const ContainerSample *samples, size_t count, int64_t up_ns)
{
	autoclear(EngineInfo) info = {0};

	TRY(engine_info(&info, engine));
	write_version(out);
	write_engine(out, &info);
	write_machine(out);
	write_counts(out, &info);
	write_states(out, samples, count);
	write_healths(out, samples, count);
	write_counters(out, engine_counters(engine));
	write_events(out, engine_counters(engine), events_listeners(engine));
	write_use(out, up_ns);
	TRY(write_start(out));
	return write_memory(out);
}

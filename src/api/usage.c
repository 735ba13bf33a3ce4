// SPDX-License-Identifier: Apache-2.0
/*
 * GET /kedge/v1/system/usage: what the machine uses at this moment, in sums since it was switched on, so that who asks
 * twice knows a rate. Source: proc(5): /proc/stat, /proc/meminfo, /proc/net/dev, /proc/diskstats. Of links and disks
 * only what is a device counts: what goes over a bridge, or into a partition, is counted there once more.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "api/internal.h"
#include "base/clock.h"
#include "base/files.h"

enum { PROC_MAX = 1 << 20, SECTOR = 512 };

/* ---- lines of /proc ---- */

static fallible each_line(const char *path, void (*visit)(void *arg, const char *line), void *arg)
{
	autofree char *text = NULL;
	char *rest = NULL;

	TRY(file_read(&text, NULL, AT_FDCWD, path, PROC_MAX));
	for (const char *line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest))
		visit(arg, line);
	return NULL;
}

static bool is_device(const char *class, const char *name)
{
	autofree char *path = string_printf("/sys/%s/%s/device", class, name);

	return file_exists(AT_FDCWD, path);
}

/* ---- processors ---- */

typedef struct Processors {
	uint64_t busy_ticks;
	unsigned count;
} Processors;

/* "cpu  user nice system idle iowait irq softirq steal ...", then a line for each. */
static void take_processor(void *arg, const char *line)
{
	Processors *processors = arg;
	unsigned long long user, nice, system, idle, wait, irq, soft, steal;

	if (strncmp(line, "cpu", 3) != 0)
		return;
	if (line[3] != ' ')
		processors->count++;
	else if (sscanf(line + 4, "%llu %llu %llu %llu %llu %llu %llu %llu", &user, &nice, &system, &idle, &wait, &irq,
			 &soft, &steal) == 8)
		processors->busy_ticks = user + nice + system + irq + soft + steal;
}

static fallible write_processors(Writer *writer)
{
	Processors processors = {0};

	TRY(each_line("/proc/stat", take_processor, &processors));
	write_object(writer, "CPU");
	write_uint(writer, "Count", processors.count);
	write_uint(writer, "Busy", processors.busy_ticks * (NANOS_PER_SECOND / (uint64_t)sysconf(_SC_CLK_TCK)));
	write_object_end(writer);
	return NULL;
}

/* ---- memory ---- */

typedef struct Memory {
	unsigned long long total_kib, available_kib;
} Memory;

static void take_memory(void *arg, const char *line)
{
	Memory *memory = arg;

	if (sscanf(line, "MemTotal: %llu", &memory->total_kib) != 1)
		(void)!sscanf(line, "MemAvailable: %llu", &memory->available_kib);
}

static fallible write_memory(Writer *writer)
{
	Memory memory = {0};

	TRY(each_line("/proc/meminfo", take_memory, &memory));
	write_object(writer, "Memory");
	write_uint(writer, "Total", memory.total_kib * 1024);
	write_uint(writer, "Available", memory.available_kib * 1024);
	write_object_end(writer);
	return NULL;
}

/* ---- links and disks: two sums each ---- */

typedef struct Flow {
	uint64_t in, out;
} Flow;

static void take_link(void *arg, const char *line)
{
	unsigned long long received, sent;
	Flow *flow = arg;
	char name[64];

	if (sscanf(line, " %63[^:]: %llu %*u %*u %*u %*u %*u %*u %*u %llu", name, &received, &sent) != 3 ||
		!is_device("class/net", name))
		return;
	flow->in += received;
	flow->out += sent;
}

static void take_disk(void *arg, const char *line)
{
	unsigned long long sectors_read, sectors_written;
	Flow *flow = arg;
	char name[64];

	if (sscanf(line, " %*u %*u %63s %*u %*u %llu %*u %*u %*u %llu", name, &sectors_read, &sectors_written) != 3 ||
		!is_device("block", name))
		return;
	flow->in += sectors_read * SECTOR;
	flow->out += sectors_written * SECTOR;
}

static void write_flow(Writer *writer, const char *key, const char *in, const char *out, const Flow *flow)
{
	write_object(writer, key);
	write_uint(writer, in, flow->in);
	write_uint(writer, out, flow->out);
	write_object_end(writer);
}

static fallible write_flows(Writer *writer)
{
	Flow links = {0}, disks = {0};

	TRY(each_line("/proc/net/dev", take_link, &links));
	TRY(each_line("/proc/diskstats", take_disk, &disks));
	write_flow(writer, "Network", "Received", "Sent", &links);
	write_flow(writer, "Disk", "Read", "Written", &disks);
	return NULL;
}

/* ---- where images and containers are kept ---- */

static fallible write_store(Writer *writer, const char *root)
{
	struct statvfs space;

	if (statvfs(root, &space) < 0)
		return error_errno(errno, "could not ask for the room below \"%s\"", root);
	write_object(writer, "Store");
	write_uint(writer, "Total", (uint64_t)space.f_blocks * space.f_frsize);
	write_uint(writer, "Free", (uint64_t)space.f_bavail * space.f_frsize);
	write_object_end(writer);
	return NULL;
}

/* ---- all of it ---- */

static fallible write_usage(Buffer *out, const Engine *engine)
{
	Writer writer;

	writer_init(&writer, out);
	write_object(&writer, NULL);
	write_int(&writer, "Time", clock_monotonic_ns());
	write_int(&writer, "Uptime", clock_monotonic_ns() / NANOS_PER_SECOND); /* it began with the machine */
	TRY(write_processors(&writer));
	TRY(write_memory(&writer));
	TRY(write_flows(&writer));
	TRY(write_store(&writer, engine_config(engine)->root));
	write_object_end(&writer);
	return NULL;
}

static void usage(HttpRequest *request, void *context)
{
	autoclear(Buffer) out = {0};
	Error *error = write_usage(&out, api_engine(context));

	respond_json_or_error(request, error, &out);
}

const HttpRoute usage_routes[] = {
	{"GET", "/kedge/v1/system/usage", usage, 0, 0},
	{0},
};

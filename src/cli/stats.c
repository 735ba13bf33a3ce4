// SPDX-License-Identifier: Apache-2.0
#include <signal.h>
#include <stdio.h>
#include <time.h>

#include "base/clock.h"
#include "base/memory.h"
#include "cli/api.h"
#include "cli/commands.h"
#include "cli/grid.h"
#include "cli/listing.h"
#include "cli/terminal.h"
#include "cli/units.h"

enum { SHORT_ID = 12 };

#define PERIOD NANOS_PER_SECOND

typedef struct StatsOptions {
	bool help, all, no_stream, no_trunc;
	char *format;
} StatsOptions;

static const Option options[] = {
	HELP_OPTION(StatsOptions),
	{"all", 'a', OPTION_SWITCH, offsetof(StatsOptions, all),
		.help = "show all containers (without it: those that run)"},
	{"format", 0, OPTION_STRING, offsetof(StatsOptions, format), "FORMAT",
		"\"table\", \"table TEMPLATE\", \"json\", or a template such as \"{{.Name}} {{.MemUsage}}\"",
		.complete = "table json"},
	{"no-stream", 0, OPTION_SWITCH, offsetof(StatsOptions, no_stream), .help = "show them once, and end"},
	{"no-trunc", 0, OPTION_SWITCH, offsetof(StatsOptions, no_trunc), .help = "do not cut long cells"},
	OPTION_END,
};

/*
 * Each sample is the API's answer as it is, with "before" put in: the sample of a second ago, which the share of the
 * processor is counted from. So there is no waiting in the daemon, and one connection serves any number of containers.
 */

/* ---- figures ---- */

static double number_at(const Value *sample, const char *path)
{
	return value_double(value_path(sample, path), 0);
}

static double processors(const Value *sample)
{
	double online = number_at(sample, "cpu_stats.online_cpus");

	if (online > 0)
		return online;
	size_t counted = value_count(value_path(sample, "cpu_stats.cpu_usage.percpu_usage"));
	return counted > 0 ? (double)counted : 1;
}

static double cpu_percent(const Value *sample)
{
	const Value *before = value_get(sample, "before");
	double used = number_at(sample, "cpu_stats.cpu_usage.total_usage") -
		      number_at(before, "cpu_stats.cpu_usage.total_usage");
	double passed =
		number_at(sample, "cpu_stats.system_cpu_usage") - number_at(before, "cpu_stats.system_cpu_usage");

	return used > 0 && passed > 0 ? used / passed * processors(sample) * 100 : 0;
}

/* Without the page cache that goes first when memory is short: "total_inactive_file" of cgroup v1, "inactive_file" of
 * v2. */
static double memory_used(const Value *sample)
{
	const Value *stats = value_path(sample, "memory_stats.stats");
	double usage = number_at(sample, "memory_stats.usage"),
	       cache = value_double(value_get(stats, "total_inactive_file"), -1);

	if (cache < 0)
		cache = value_double(value_get(stats, "inactive_file"), 0);
	return cache < usage ? usage - cache : usage;
}

static void write_pair(Buffer *out, double first, double second)
{
	char a[UNITS_TEXT_MAX], b[UNITS_TEXT_MAX];

	units_decimal(a, first, 3);
	units_decimal(b, second, 3);
	buffer_printf(out, "%s / %s", a, b);
}

/* ---- fields ---- */

static void write_id(Buffer *out, const Row *row)
{
	buffer_printf(out, "%.*s", row->truncates ? SHORT_ID : INT32_MAX, row_text(row, "id"));
}

static void write_name(Buffer *out, const Row *row)
{
	const char *name = row_text(row, "name");

	buffer_add_text(out, name[0] == '/' ? name + 1 : name);
}

static void write_cpu(Buffer *out, const Row *row)
{
	buffer_printf(out, "%.2f%%", cpu_percent(row->item));
}

static void write_memory(Buffer *out, const Row *row)
{
	char used[UNITS_TEXT_MAX], limit[UNITS_TEXT_MAX];

	units_binary(used, memory_used(row->item));
	units_binary(limit, number_at(row->item, "memory_stats.limit"));
	buffer_printf(out, "%s / %s", used, limit);
}

static void write_memory_percent(Buffer *out, const Row *row)
{
	double limit = number_at(row->item, "memory_stats.limit");

	buffer_printf(out, "%.2f%%", limit > 0 ? memory_used(row->item) / limit * 100 : 0);
}

static void write_network(Buffer *out, const Row *row)
{
	const Value *networks = value_get(row->item, "networks");
	const char *name;
	Value *network;
	size_t cursor = 0;
	double received = 0, sent = 0;

	while (value_each(networks, &cursor, &name, &network)) {
		received += number_at(network, "rx_bytes");
		sent += number_at(network, "tx_bytes");
	}
	write_pair(out, received, sent);
}

static void write_block(Buffer *out, const Row *row)
{
	const Value *entries = value_path(row->item, "blkio_stats.io_service_bytes_recursive");
	double in = 0, written = 0;

	for (size_t i = 0; i < value_count(entries); i++) {
		const char *op = value_string(value_get(value_at(entries, i), "op"));
		double bytes = number_at(value_at(entries, i), "value");
		if (op && (op[0] == 'r' || op[0] == 'R'))
			in += bytes;
		else if (op && (op[0] == 'w' || op[0] == 'W'))
			written += bytes;
	}
	write_pair(out, in, written);
}

static void write_pids(Buffer *out, const Row *row)
{
	buffer_printf(out, "%lld", (long long)value_int(value_path(row->item, "pids_stats.current"), 0));
}

static const Column columns[] = {
	{"ID", "CONTAINER ID", COLUMN_SHOWN, GRID_FIXED, write_id, .rank = 2, .may_go = true},
	{"Name", "NAME", COLUMN_SHOWN, 8, write_name},
	{"CPUPerc", "CPU %", COLUMN_SHOWN, GRID_FIXED, write_cpu},
	{"MemUsage", "MEM USAGE / LIMIT", COLUMN_SHOWN, GRID_FIXED, write_memory},
	{"MemPerc", "MEM %", COLUMN_SHOWN, GRID_FIXED, write_memory_percent, .rank = 1, .may_go = true},
	{"NetIO", "NET I/O", COLUMN_SHOWN, GRID_FIXED, write_network, .rank = 4, .may_go = true},
	{"BlockIO", "BLOCK I/O", COLUMN_SHOWN, GRID_FIXED, write_block, .rank = 3, .may_go = true},
	{"PIDs", "PIDS", COLUMN_SHOWN, GRID_FIXED, write_pids, .rank = 5, .may_go = true},
	{"Container", "CONTAINER", COLUMN_ASKED, GRID_FIXED, write_id},
	{NULL},
};

/* ---- samples ---- */

typedef struct Samples {
	Value *list;   /* of this turn */
	Value *before; /* name or id -> its last sample */
} Samples;

static void clear_samples(Samples *samples)
{
	value_free(samples->list);
	value_free(samples->before);
}

DEFINE_AUTOCLEAR(Samples, clear_samples)

/* The sample before, without its own "before": they would hold each other for ever. */
static Value *without_before(Value *sample)
{
	Value *copy = value_object(), *member;
	const char *key;
	size_t cursor = 0;

	while (value_each(sample, &cursor, &key, &member))
		if (!string_equal(key, "before"))
			value_set(copy, key, value_ref(member));
	return copy;
}

static fallible sample_one(Cli *cli, Samples *samples, const char *name)
{
	autoclear(Buffer) target = {0};
	autoptr(Value) sample = NULL;

	target_path(&target, "/containers/", name, "/stats?stream=0&one-shot=1");
	TRY(api_get(cli, &sample, buffer_text(&target)));
	if (!value_is_object(sample))
		return error_new(ERROR_UNAVAILABLE, "kedged has no statistics of container \"%s\"", name);
	Value *before = value_get(samples->before, name);
	if (before)
		value_set(sample, "before", value_ref(before));
	value_set(samples->before, name, without_before(sample));
	value_append(samples->list, take(sample));
	return NULL;
}

/* Without names: those that run now. One that ended since it was listed is left out. */
static fallible list_names(Cli *cli, StringList *names, bool all)
{
	autoptr(Value) list = NULL;

	TRY(api_get(cli, &list, all ? "/containers/json?all=1" : "/containers/json"));
	for (size_t i = 0; i < value_count(list); i++) {
		const char *id = value_string(value_get(value_at(list, i), "Id"));
		if (id)
			strings_add(names, id);
	}
	return NULL;
}

static fallible sample_all(Cli *cli, Samples *samples, const StatsOptions *given, const StringList *arguments)
{
	autoclear(StringList) names = {0};
	bool given_names = arguments->count > 0;

	strings_copy(&names, arguments);
	if (!given_names)
		TRY(list_names(cli, &names, given->all));
	value_free(samples->list);
	samples->list = value_array();
	for (size_t i = 0; i < names.count; i++) {
		Error *error = sample_one(cli, samples, names.items[i]);
		if (error && (given_names || error_kind(error) != ERROR_NOT_FOUND))
			return error;
		error_free(error); /* it has been removed meanwhile */
	}
	return NULL;
}

/* ---- showing ---- */

static fallible write_samples(Buffer *out, const StatsOptions *given, const Value *list)
{
	Listing listing = {.columns = columns, .format = given->format, .truncates = !given->no_trunc};
	autofree Row *rows = mem_array(NULL, value_count(list) + 1, sizeof(Row));

	for (size_t i = 0; i < value_count(list); i++)
		rows[i] = (Row){.item = value_at(list, i), .truncates = !given->no_trunc};
	return listing_write(&listing, rows, value_count(list), out);
}

static size_t count_lines(const Buffer *text)
{
	size_t lines = 0;

	for (size_t i = 0; i < text->length; i++)
		lines += text->data[i] == '\n';
	return lines;
}

/* As many lines as the terminal has; each turn is drawn over the one before. */
static void draw(Buffer *text, bool redraws)
{
	int height = terminal_height(stdout);

	if (redraws && height > 1 && count_lines(text) >= (size_t)height) {
		size_t end = 0;
		for (int line = 1; line < height; end++)
			line += text->data[end] == '\n';
		buffer_truncate(text, end);
	}
	if (redraws)
		fputs("\033[H\033[2J", stdout);
	fwrite(buffer_text(text), 1, text->length, stdout);
	fflush(stdout);
}

static fallible show(const Samples *samples, const StatsOptions *given)
{
	autoclear(Buffer) text = {0};

	TRY(write_samples(&text, given, samples->list));
	draw(&text, !given->no_stream && terminal_is(stdout));
	return NULL;
}

/* Until the next turn; a terminal of another size is drawn anew at once. */
static fallible pause_between(const Samples *samples, const StatsOptions *given, bool was_shown)
{
	int64_t end = clock_monotonic_ns() + PERIOD;
	sigset_t resized;

	sigemptyset(&resized);
	sigaddset(&resized, SIGWINCH);
	sigprocmask(SIG_BLOCK, &resized, NULL);
	for (int64_t left = PERIOD; left > 0; left = end - clock_monotonic_ns()) {
		const struct timespec limit = {left / NANOS_PER_SECOND, left % NANOS_PER_SECOND};
		if (sigtimedwait(&resized, NULL, &limit) == SIGWINCH && was_shown && terminal_is(stdout))
			TRY(show(samples, given));
	}
	return NULL;
}

static fallible run(Cli *cli, const void *opts, const StringList *arguments)
{
	const StatsOptions *given = opts;
	Listing listing = {.columns = columns, .format = given->format};
	autoclear(Samples) samples = {.before = value_object()};

	TRY(listing_check(&listing));
	TRY(sample_all(cli, &samples, given, arguments));
	for (bool was_shown = false; !was_shown || !given->no_stream; was_shown = true) {
		TRY(pause_between(&samples, given, was_shown));
		TRY(sample_all(cli, &samples, given, arguments));
		TRY(show(&samples, given));
	}
	return NULL;
}

static const char *const aliases[] = {"container stats", NULL};

const Command stats_command = {
	.name = "stats",
	.aliases = aliases,
	.usage = "[OPTIONS] [CONTAINER...]",
	.summary = "Show what containers use: CPU, memory, network, disks",
	.options = options,
	.options_size = sizeof(StatsOptions),
	.arguments_max = ANY_ARGUMENTS,
	.arguments = "container-running",
	.run = run,
};

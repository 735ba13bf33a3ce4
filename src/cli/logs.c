// SPDX-License-Identifier: Apache-2.0
#include "cli/api.h"
#include "cli/commands.h"
#include "cli/demux.h"
#include "cli/points.h"

enum { DRAIN_MAX = 1 << 20 };

typedef struct LogsOptions {
	bool help, follow, timestamps, details;
	char *since, *until, *tail;
} LogsOptions;

static const Option options[] = {
	HELP_OPTION(LogsOptions),
	{"follow", 'f', OPTION_SWITCH, offsetof(LogsOptions, follow), .help = "go on with what comes"},
	{"tail", 'n', OPTION_STRING, offsetof(LogsOptions, tail), "N", "the last N lines only (default: all)"},
	{"since", 0, OPTION_STRING, offsetof(LogsOptions, since), "TIME",
		"not before: 2026-01-02T13:23:37Z, seconds since 1970, or 42m for 42 minutes ago"},
	{"until", 0, OPTION_STRING, offsetof(LogsOptions, until), "TIME", "not after, in the same words"},
	{"timestamps", 't', OPTION_SWITCH, offsetof(LogsOptions, timestamps),
		.help = "put the time in front of each line"},
	{"details", 0, OPTION_SWITCH, offsetof(LogsOptions, details),
		.help = "show what the log driver added to a line"},
	OPTION_END,
};

static fallible check_tail(const char *tail)
{
	int64_t lines;

	if (!tail || string_equal(tail, "all"))
		return NULL;
	TRY_WRAP(string_to_int64(&lines, tail, INT64_MIN, INT64_MAX), "option \"--tail\"");
	return NULL;
}

static fallible make_target(Buffer *target, const LogsOptions *given, const char *name)
{
	TRY(check_tail(given->tail));
	target_path(target, "/containers/", name, "/logs");
	target_query_flag(target, "stdout", true);
	target_query_flag(target, "stderr", true);
	target_query_flag(target, "follow", given->follow);
	target_query_flag(target, "timestamps", given->timestamps);
	target_query_flag(target, "details", given->details);
	target_query(target, "tail", given->tail);
	TRY(target_query_point(target, "since", given->since));
	return target_query_point(target, "until", given->until);
}

/* A container with a terminal has one stream without frames. */
static fallible find_rawness(Cli *cli, bool *ret, const char *name)
{
	autoclear(Buffer) target = {0};
	autoptr(Value) container = NULL;

	target_path(&target, "/containers/", name, "/json");
	TRY(api_get(cli, &container, buffer_text(&target)));
	*ret = value_bool(value_path(container, "Config.Tty"), false);
	return NULL;
}

static fallible copy(HttpClient *client, Demux *demux)
{
	autoclear(Buffer) data = {.limit = DRAIN_MAX};
	bool end = false;

	while (!end) {
		buffer_truncate(&data, 0);
		TRY(http_client_read(client, &data, &end));
		TRY(demux_feed(demux, buffer_text(&data), data.length));
	}
	return demux_end(demux);
}

static fallible run(Cli *cli, const void *opts, const StringList *arguments)
{
	Demux demux = {.out = STDOUT_FILENO, .err = STDERR_FILENO};
	autoclear(Buffer) target = {0};

	TRY(make_target(&target, opts, arguments->items[0]));
	TRY(find_rawness(cli, &demux.is_raw, arguments->items[0]));
	HttpCall call = {.method = "GET", .target = buffer_text(&target)};
	TRY(api_open(cli->client, &call));
	return copy(cli->client, &demux);
}

static const char *const aliases[] = {"container logs", NULL};

const Command logs_command = {
	.name = "logs",
	.aliases = aliases,
	.usage = "[OPTIONS] CONTAINER",
	.summary = "Show what a container has written",
	.example = "logs --follow --tail 20 web",
	.options = options,
	.options_size = sizeof(LogsOptions),
	.arguments_min = 1,
	.arguments_max = 1,
	.arguments = "container",
	.run = run,
};

// SPDX-License-Identifier: Apache-2.0
/* "external ls", "start", "stop", "restart" and "rm": containers of another engine on this device. */
#include <stdio.h>

#include "base/memory.h"
#include "cli/api.h"
#include "cli/commands.h"
#include "cli/grid.h"
#include "cli/listing.h"

#define CONTAINERS "/kedge/v1/engine/containers"

enum { SHORT_ID = 12 };

/* ---- ls ---- */

typedef struct ListOptions {
	bool help, quiet, no_trunc;
	char *format;
} ListOptions;

static const Option list_table[] = {
	HELP_OPTION(ListOptions),
	{"format", 0, OPTION_STRING, offsetof(ListOptions, format), "FORMAT",
		"\"table\", \"table TEMPLATE\", \"json\", or a template such as \"{{.Name}}: {{.Status}}\"",
		.complete = "table json"},
	{"no-trunc", 0, OPTION_SWITCH, offsetof(ListOptions, no_trunc), .help = "show ids whole"},
	{"quiet", 'q', OPTION_SWITCH, offsetof(ListOptions, quiet), .help = "print ids only"},
	OPTION_END,
};

static void write_text(Buffer *out, const Row *row, const char *key)
{
	const char *text = value_string(value_get(row->item, key));

	buffer_add_text(out, text ? text : "");
}

static void write_id(Buffer *out, const Row *row)
{
	const char *id = value_string(value_get(row->item, "id"));

	buffer_printf(out, "%.*s", row->truncates ? SHORT_ID : INT16_MAX, id ? id : "");
}

static void write_name(Buffer *out, const Row *row)
{
	write_text(out, row, "name");
}

static void write_image(Buffer *out, const Row *row)
{
	write_text(out, row, "image");
}

static void write_state(Buffer *out, const Row *row)
{
	write_text(out, row, "state");
}

static void write_status(Buffer *out, const Row *row)
{
	write_text(out, row, "status");
}

static void write_health(Buffer *out, const Row *row)
{
	write_text(out, row, "health");
}

static void write_port(Buffer *out, const Value *port)
{
	const char *ip = value_string(value_get(port, "ip"));
	const char *type = value_string(value_get(port, "type"));
	long long public = value_int(value_get(port, "publicPort"), 0);

	if (public)
		buffer_printf(out, "%s:%lld->", ip ? ip : "", public);
	buffer_printf(out, "%lld/%s", (long long)value_int(value_get(port, "privatePort"), 0), type ? type : "");
}

static void write_ports(Buffer *out, const Row *row)
{
	const Value *ports = value_get(row->item, "ports");

	for (size_t i = 0; i < value_count(ports); i++) {
		buffer_add_text(out, i ? ", " : "");
		write_port(out, value_at(ports, i));
	}
}

static void write_allowed(Buffer *out, const Row *row)
{
	buffer_add_text(out, value_bool(value_get(row->item, "allowed"), false) ? "yes" : "no");
}

static void write_reason(Buffer *out, const Row *row)
{
	write_text(out, row, "reason");
}

static const Column columns[] = {
	{"ID", "CONTAINER ID", COLUMN_SHOWN, GRID_FIXED, write_id},
	{"Image", "IMAGE", COLUMN_SHOWN, 12, write_image},
	{"State", "STATE", COLUMN_ASKED, GRID_FIXED, write_state},
	{"Status", "STATUS", COLUMN_SHOWN, 12, write_status},
	{"Health", "HEALTH", COLUMN_ASKED, GRID_FIXED, write_health},
	{"Ports", "PORTS", COLUMN_SHOWN, 12, write_ports},
	{"Allowed", "ALLOWED", COLUMN_SHOWN, GRID_FIXED, write_allowed},
	{"Reason", "REASON", COLUMN_ASKED, 20, write_reason},
	{"Name", "NAME", COLUMN_SHOWN, 8, write_name},
	{NULL},
};

/* A list without an end to it is none: who asks is told that the engine cannot be. */
static fallible check_engine(const Value *engine)
{
	const char *state = value_string(value_get(engine, "state"));
	const char *problem = value_string(value_get(engine, "problem"));
	const char *url = value_string(value_get(engine, "url"));

	if (!url)
		return error_hint(error_new(ERROR_NOT_FOUND, "there is no other engine"),
			"\"kedge service set engine.url=unix:///run/docker.sock\" names one");
	if (!string_equal(state, "connected"))
		return error_new(ERROR_UNAVAILABLE, "the other engine, \"%s\", cannot be asked: %s", url,
			problem ? problem : "it has not answered yet");
	if (problem)
		fprintf(stderr, "WARNING: \"%s\": %s\n", url, problem);
	return NULL;
}

static fallible run_list(Cli *cli, const void *opts, const StringList *arguments)
{
	const ListOptions *given = opts;
	const Listing listing = {
		.columns = columns,
		.format = given->format,
		.is_quiet = given->quiet,
		.truncates = !given->no_trunc,
	};
	autoptr(Value) answer = NULL;

	(void)arguments;
	TRY(listing_check(&listing));
	TRY(api_get(cli, &answer, CONTAINERS));
	TRY(check_engine(value_get(answer, "engine")));
	const Value *list = value_get(answer, "containers");
	autofree Row *rows = mem_array(NULL, value_count(list) + 1, sizeof(Row));
	for (size_t i = 0; i < value_count(list); i++)
		rows[i] = (Row){.item = value_at(list, i), .truncates = !given->no_trunc};
	return listing_print(&listing, rows, value_count(list));
}

const Command external_ls_command = {
	.name = "external ls",
	.usage = "[OPTIONS]",
	.summary = "List containers of another engine on this device",
	.options = list_table,
	.options_size = sizeof(ListOptions),
	.run = run_list,
};

/* ---- start, stop, restart ---- */

typedef struct PlainOptions {
	bool help;
} PlainOptions;

static const Option plain_table[] = {HELP_OPTION(PlainOptions), OPTION_END};

static fallible act(Cli *cli, const char *name, const char *verb)
{
	autoclear(Buffer) target = {0};

	target_path(&target, CONTAINERS "/", name, verb);
	return api_post(cli, NULL, buffer_text(&target), NULL);
}

static fallible start_one(Cli *cli, const char *name, const void *opts)
{
	(void)opts;
	return act(cli, name, "/start");
}

static fallible run_start(Cli *cli, const void *opts, const StringList *arguments)
{
	return cli_each(cli, arguments, start_one, opts, true);
}

static fallible stop_one(Cli *cli, const char *name, const void *opts)
{
	(void)opts;
	return act(cli, name, "/stop");
}

static fallible run_stop(Cli *cli, const void *opts, const StringList *arguments)
{
	return cli_each(cli, arguments, stop_one, opts, true);
}

static fallible restart_one(Cli *cli, const char *name, const void *opts)
{
	(void)opts;
	return act(cli, name, "/restart");
}

static fallible run_restart(Cli *cli, const void *opts, const StringList *arguments)
{
	return cli_each(cli, arguments, restart_one, opts, true);
}

#define EACH(member, word, text, function)                                                                             \
	const Command member = {                                                                                       \
		.name = "external " word,                                                                              \
		.usage = "[OPTIONS] CONTAINER [CONTAINER...]",                                                         \
		.summary = (text),                                                                                     \
		.example = "external " word " web",                                                                    \
		.options = plain_table,                                                                                \
		.options_size = sizeof(PlainOptions),                                                                  \
		.arguments_min = 1,                                                                                    \
		.arguments_max = ANY_ARGUMENTS,                                                                        \
		.arguments = "external",                                                                               \
		.run = (function),                                                                                     \
	}

EACH(external_start_command, "start", "Start containers of another engine", run_start);
EACH(external_stop_command, "stop", "Stop containers of another engine", run_stop);
EACH(external_restart_command, "restart", "Stop containers of another engine and start them again", run_restart);

/* ---- rm ---- */

typedef struct RmOptions {
	bool help, force;
} RmOptions;

static const Option rm_table[] = {
	HELP_OPTION(RmOptions),
	{"force", 'f', OPTION_SWITCH, offsetof(RmOptions, force), .help = "kill it first if it runs"},
	OPTION_END,
};

static fallible remove_one(Cli *cli, const char *name, const void *opts)
{
	const RmOptions *given = opts;
	autoclear(Buffer) target = {0};

	target_path(&target, CONTAINERS "/", name, "");
	target_query_flag(&target, "force", given->force);
	return api_delete(cli, NULL, buffer_text(&target));
}

static fallible run_rm(Cli *cli, const void *opts, const StringList *arguments)
{
	return cli_each(cli, arguments, remove_one, opts, true);
}

const Command external_rm_command = {
	.name = "external rm",
	.usage = "[OPTIONS] CONTAINER [CONTAINER...]",
	.summary = "Remove containers of another engine",
	.example = "external rm --force web",
	.options = rm_table,
	.options_size = sizeof(RmOptions),
	.arguments_min = 1,
	.arguments_max = ANY_ARGUMENTS,
	.arguments = "external",
	.run = run_rm,
};

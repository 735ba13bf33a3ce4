// SPDX-License-Identifier: Apache-2.0
#include <string.h>

#include "base/memory.h"
#include "cli/api.h"
#include "cli/commands.h"
#include "cli/config.h"
#include "cli/grid.h"
#include "cli/image_name.h"
#include "cli/listing.h"

enum { DESCRIPTION_WIDTH = 45 };

typedef struct SearchOptions {
	bool help, no_trunc;
	int64_t limit;
	char *format;
	StringList filters;
} SearchOptions;

static const Option options[] = {
	HELP_OPTION(SearchOptions),
	{"filter", 'f', OPTION_LIST, offsetof(SearchOptions, filters), "NAME=VALUE",
		"only those that match: is-official, is-automated, stars (at least)",
		.complete = "is-official= is-automated= stars="},
	{"format", 0, OPTION_STRING, offsetof(SearchOptions, format), "FORMAT",
		"\"table\", \"table TEMPLATE\", \"json\", or a template such as \"{{.Name}}: {{.StarCount}}\"",
		.complete = "table json"},
	{"limit", 0, OPTION_INT, offsetof(SearchOptions, limit), "NUMBER",
		"at most so many, 1 to 100 (default: what the daemon says, 25)", .max = INT32_MAX},
	{"no-trunc", 0, OPTION_SWITCH, offsetof(SearchOptions, no_trunc), .help = "do not cut long cells"},
	OPTION_END,
};

static void write_name(Buffer *out, const Row *row)
{
	const char *name = value_string(value_get(row->item, "name"));

	buffer_add_text(out, name ? name : "");
}

static void write_description(Buffer *out, const Row *row)
{
	const char *text = value_string(value_get(row->item, "description"));
	autofree char *line = mem_strdup(text ? text : "");

	for (char *end = strpbrk(line, "\r\n"); end; end = strpbrk(end, "\r\n"))
		*end = ' ';
	text_cut(out, line, row->truncates ? DESCRIPTION_WIDTH : INT32_MAX);
}

static void write_stars(Buffer *out, const Row *row)
{
	buffer_printf(out, "%lld", (long long)value_int(value_get(row->item, "star_count"), 0));
}

static void write_mark(Buffer *out, const Row *row, const char *key)
{
	buffer_add_text(out, value_bool(value_get(row->item, key), false) ? "[OK]" : "");
}

static void write_official(Buffer *out, const Row *row)
{
	write_mark(out, row, "is_official");
}

static void write_automated(Buffer *out, const Row *row)
{
	write_mark(out, row, "is_automated");
}

static const Column columns[] = {
	{"Name", "NAME", COLUMN_SHOWN, 10, write_name},
	{"Description", "DESCRIPTION", COLUMN_SHOWN, 12, write_description, .rank = 1},
	{"StarCount", "STARS", COLUMN_SHOWN, GRID_FIXED, write_stars},
	{"IsOfficial", "OFFICIAL", COLUMN_SHOWN, GRID_FIXED, write_official},
	{"IsAutomated", "AUTOMATED", COLUMN_ASKED, GRID_FIXED, write_automated},
	{NULL},
};

static fallible make_target(Buffer *target, const SearchOptions *given, const char *term)
{
	buffer_add_text(target, "/images/search");
	target_query(target, "term", term);
	if (given->limit)
		target_query_int(target, "limit", given->limit);
	return target_query_filters(target, &given->filters);
}

static fallible ask(Cli *cli, Value **ret, const SearchOptions *given, const char *term)
{
	autoclear(ImageName) name = {0};
	autoclear(Buffer) target = {0}, body = {.limit = API_ANSWER_MAX};
	autofree char *credentials = NULL;

	image_name_split(&name, term);
	TRY(config_header(&credentials, cli->config_dir, name.registry));
	TRY(make_target(&target, given, term));
	const char *const headers[] = {credentials, NULL};
	TRY(api_open(cli->client, &(HttpCall){.method = "GET", .target = buffer_text(&target), .headers = headers}));
	TRY(http_client_read_all(cli->client, &body));
	TRY_WRAP(value_parse(ret, body.data, body.length), "kedged's answer");
	return NULL;
}

static fallible run(Cli *cli, const void *opts, const StringList *arguments)
{
	const SearchOptions *given = opts;
	const Listing listing = {.columns = columns, .format = given->format, .truncates = !given->no_trunc};
	autoptr(Value) list = NULL;

	TRY(listing_check(&listing));
	TRY(ask(cli, &list, given, arguments->items[0]));
	autofree Row *rows = mem_array(NULL, value_count(list) + 1, sizeof(Row));
	for (size_t i = 0; i < value_count(list); i++)
		rows[i] = (Row){.item = value_at(list, i), .truncates = !given->no_trunc};
	return listing_print(&listing, rows, value_count(list));
}

const Command search_command = {
	.name = "search",
	.usage = "[OPTIONS] [REGISTRY/]TERM",
	.summary = "Search Docker Hub, or a registry that can be searched",
	.example = "search registry.example/web",
	.options = options,
	.options_size = sizeof(SearchOptions),
	.arguments_min = 1,
	.arguments_max = 1,
	.run = run,
};

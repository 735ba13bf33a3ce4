// SPDX-License-Identifier: Apache-2.0
#include "base/memory.h"
#include "cli/api.h"
#include "cli/commands.h"
#include "cli/grid.h"
#include "cli/listing.h"
#include "cli/units.h"

enum { SHORT_ID = 12 };

typedef struct NetworksOptions {
	bool help, no_trunc, quiet;
	char *format;
	StringList filters;
} NetworksOptions;

static const Option options[] = {
	HELP_OPTION(NetworksOptions),
	{"filter", 'f', OPTION_LIST, offsetof(NetworksOptions, filters), "NAME=VALUE",
		"only those that match: name, id, driver, scope, type, label, dangling",
		.complete = "name= id= driver= scope= type= label= dangling="},
	{"format", 0, OPTION_STRING, offsetof(NetworksOptions, format), "FORMAT",
		"\"table\", \"table TEMPLATE\", \"json\", or a template such as \"{{.Name}}: {{.Driver}}\"",
		.complete = "table json"},
	{"no-trunc", 0, OPTION_SWITCH, offsetof(NetworksOptions, no_trunc), .help = "do not cut long cells"},
	{"quiet", 'q', OPTION_SWITCH, offsetof(NetworksOptions, quiet), .help = "print ids only"},
	OPTION_END,
};

static void write_id(Buffer *out, const Row *row)
{
	buffer_printf(out, "%.*s", row->truncates ? SHORT_ID : INT32_MAX, row_text(row, "Id"));
}

static void write_flag(Buffer *out, const Row *row, const char *key)
{
	buffer_add_text(out, value_bool(value_get(row->item, key), false) ? "true" : "false");
}

static void write_ipv6(Buffer *out, const Row *row)
{
	write_flag(out, row, "EnableIPv6");
}

static void write_internal(Buffer *out, const Row *row)
{
	write_flag(out, row, "Internal");
}

static const Column columns[] = {
	{"ID", "NETWORK ID", COLUMN_SHOWN, GRID_FIXED, write_id},
	{"Name", "NAME", COLUMN_SHOWN, 8, .key = "Name"},
	{"Driver", "DRIVER", COLUMN_SHOWN, GRID_FIXED, .key = "Driver"},
	{"Scope", "SCOPE", COLUMN_SHOWN, GRID_FIXED, .key = "Scope"},
	{"IPv6", "IPV6", COLUMN_ASKED, GRID_FIXED, write_ipv6},
	{"Internal", "INTERNAL", COLUMN_ASKED, GRID_FIXED, write_internal},
	{"Labels", "LABELS", COLUMN_ASKED, 8, row_labels},
	{"CreatedAt", "CREATED AT", COLUMN_ASKED, 8, .key = "Created"},
	{"Label", .use = COLUMN_HIDDEN, .object = "Labels"},
	{NULL},
};

static fallible run(Cli *cli, const void *opts, const StringList *arguments)
{
	const NetworksOptions *given = opts;
	const Listing listing = {
		.columns = columns, .format = given->format, .is_quiet = given->quiet, .truncates = !given->no_trunc};
	autoclear(Buffer) target = {0};
	autoptr(Value) list = NULL;

	(void)arguments;
	TRY(listing_check(&listing));
	buffer_add_text(&target, "/networks");
	TRY(target_query_filters(&target, &given->filters));
	TRY(api_get(cli, &list, buffer_text(&target)));
	autofree Row *rows = mem_array(NULL, value_count(list) + 1, sizeof(Row));
	for (size_t i = 0; i < value_count(list); i++)
		rows[i] = (Row){.item = value_at(list, i), .truncates = !given->no_trunc};
	return listing_print(&listing, rows, value_count(list));
}

static const char *const aliases[] = {"network list", NULL};

const Command network_ls_command = {
	.name = "network ls",
	.aliases = aliases,
	.usage = "[OPTIONS]",
	.summary = "List networks",
	.options = options,
	.options_size = sizeof(NetworksOptions),
	.run = run,
};

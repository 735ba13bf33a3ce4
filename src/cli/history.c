// SPDX-License-Identifier: Apache-2.0
#include <string.h>

#include "base/clock.h"
#include "base/memory.h"
#include "cli/api.h"
#include "cli/commands.h"
#include "cli/grid.h"
#include "cli/listing.h"
#include "cli/units.h"

enum { SHORT_ID = 12, COMMAND_WIDTH = 45 };

typedef struct HistoryOptions {
	bool help, human, no_trunc, quiet;
	char *format;
} HistoryOptions;

static const HistoryOptions defaults = {.human = true};

static const Option options[] = {
	HELP_OPTION(HistoryOptions),
	{"format", 0, OPTION_STRING, offsetof(HistoryOptions, format), "FORMAT",
		"\"table\", \"table TEMPLATE\", \"json\", or a template such as \"{{.ID}} {{.CreatedBy}}\"",
		.complete = "table json"},
	{"human", 'H', OPTION_SWITCH, offsetof(HistoryOptions, human),
		.help = "sizes and ages as people read them (default: true)"},
	{"no-trunc", 0, OPTION_SWITCH, offsetof(HistoryOptions, no_trunc), .help = "do not cut long cells"},
	{"platform", 0, OPTION_REFUSED, .argument = "OS/ARCH", .help = "an image is kept for one platform"},
	{"quiet", 'q', OPTION_SWITCH, offsetof(HistoryOptions, quiet), .help = "print ids only"},
	OPTION_END,
};

/* ---- fields ---- */

static int64_t created_ns(const Row *row)
{
	return value_int(value_get(row->item, "Created"), 0) * NANOS_PER_SECOND;
}

static void write_id(Buffer *out, const Row *row)
{
	const char *id = row_text(row, "Id");

	if (row->truncates && string_starts(id, "sha256:"))
		buffer_printf(out, "%.*s", SHORT_ID, id + strlen("sha256:"));
	else
		buffer_add_text(out, id);
}

static void write_created_at(Buffer *out, const Row *row)
{
	char text[UNITS_TEXT_MAX];

	units_local_rfc3339(text, created_ns(row));
	char *fraction = strchr(text, '.');
	if (fraction)
		memmove(fraction, fraction + strlen(".000000000"), strlen(fraction + strlen(".000000000")) + 1);
	buffer_add_text(out, text);
}

static void write_age(Buffer *out, const Row *row)
{
	char text[UNITS_TEXT_MAX];

	units_age(text, created_ns(row), row->now_ns);
	buffer_add_text(out, text);
}

static void write_created_by(Buffer *out, const Row *row)
{
	autofree char *text = mem_strdup(row_text(row, "CreatedBy"));

	for (char *tab = strchr(text, '\t'); tab; tab = strchr(tab, '\t'))
		*tab = ' ';
	if (row->truncates)
		text_cut(out, text, COMMAND_WIDTH);
	else
		buffer_add_text(out, text);
}

static void write_human_size(Buffer *out, const Row *row)
{
	char text[UNITS_TEXT_MAX];

	units_decimal(text, value_double(value_get(row->item, "Size"), 0), 3);
	buffer_add_text(out, text);
}

static void write_bytes(Buffer *out, const Row *row)
{
	buffer_printf(out, "%lld", (long long)value_int(value_get(row->item, "Size"), 0));
}

static const Column human_columns[] = {
	{"ID", "IMAGE", COLUMN_SHOWN, GRID_FIXED, write_id},
	{"CreatedSince", "CREATED", COLUMN_SHOWN, 10, write_age},
	{"CreatedAt", "CREATED AT", COLUMN_ASKED, 10, write_created_at},
	{"CreatedBy", "CREATED BY", COLUMN_SHOWN, 10, write_created_by, .rank = 2},
	{"Size", "SIZE", COLUMN_SHOWN, GRID_FIXED, write_human_size},
	{"Comment", "COMMENT", COLUMN_SHOWN, 10, .key = "Comment", .rank = 1, .may_go = true},
	{NULL},
};

static const Column exact_columns[] = {
	{"ID", "IMAGE", COLUMN_SHOWN, GRID_FIXED, write_id},
	{"CreatedSince", "CREATED AT", COLUMN_SHOWN, 10, write_created_at},
	{"CreatedAt", "CREATED AT", COLUMN_ASKED, 10, write_created_at},
	{"CreatedBy", "CREATED BY", COLUMN_SHOWN, 10, write_created_by, .rank = 2},
	{"Size", "SIZE", COLUMN_SHOWN, GRID_FIXED, write_bytes},
	{"Comment", "COMMENT", COLUMN_SHOWN, 10, .key = "Comment", .rank = 1, .may_go = true},
	{NULL},
};

/* ---- the command ---- */

static fallible run(Cli *cli, const void *opts, const StringList *arguments)
{
	const HistoryOptions *given = opts;
	const Listing listing = {.columns = given->human ? human_columns : exact_columns,
		.format = given->format,
		.is_quiet = given->quiet,
		.truncates = !given->no_trunc};
	autoclear(Buffer) target = {0};
	autoptr(Value) list = NULL;
	size_t count;

	TRY(listing_check(&listing));
	target_image(&target, arguments->items[0], "/history");
	TRY(api_get(cli, &list, buffer_text(&target)));
	count = value_count(list);
	autofree Row *rows = mem_array(NULL, count + 1, sizeof(Row));
	for (size_t i = 0; i < count; i++)
		rows[i] = (Row){.item = value_at(list, i), .now_ns = clock_wall_ns(), .truncates = !given->no_trunc};
	return listing_print(&listing, rows, count);
}

static const char *const aliases[] = {"image history", NULL};

const Command history_command = {
	.name = "history",
	.aliases = aliases,
	.usage = "[OPTIONS] IMAGE",
	.summary = "Show how an image came to be",
	.example = "history registry.example/web:1",
	.options = options,
	.options_size = sizeof(HistoryOptions),
	.defaults = &defaults,
	.arguments_min = 1,
	.arguments_max = 1,
	.arguments = "image",
	.run = run,
};

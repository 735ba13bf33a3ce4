// SPDX-License-Identifier: Apache-2.0
/* "snapshots ls", "show", "diff" and "rollback": what was declared before. */
#include <stdio.h>

#include "base/memory.h"
#include "cli/commands.h"
#include "cli/declared_changes.h"
#include "cli/grid.h"
#include "cli/listing.h"

#define SNAPSHOTS "/kedge/v1/snapshots"

typedef struct PlainOptions {
	bool help;
} PlainOptions;

static const Option plain_table[] = {HELP_OPTION(PlainOptions), OPTION_END};

/* ---- ls ---- */

typedef struct ListOptions {
	bool help, quiet;
	char *format;
} ListOptions;

static const Option list_table[] = {
	HELP_OPTION(ListOptions),
	{"format", 0, OPTION_STRING, offsetof(ListOptions, format), "FORMAT",
		"\"table\", \"table TEMPLATE\", \"json\", or a template such as \"{{.Number}}: {{.Why}}\"",
		.complete = "table json"},
	{"quiet", 'q', OPTION_SWITCH, offsetof(ListOptions, quiet), .help = "print numbers only"},
	OPTION_END,
};

static void write_number(Buffer *out, const Row *row)
{
	buffer_printf(out, "%lld", (long long)value_int(value_get(row->item, "number"), 0));
}

static void write_containers(Buffer *out, const Row *row)
{
	buffer_printf(out, "%lld", (long long)value_int(value_get(row->item, "containers"), 0));
}

static const Column columns[] = {
	{"Number", "NUMBER", COLUMN_SHOWN, GRID_FIXED, write_number},
	{"Time", "TIME", COLUMN_SHOWN, GRID_FIXED, .key = "time"},
	{"Containers", "CONTAINERS", COLUMN_SHOWN, GRID_FIXED, write_containers},
	{"Why", "WHY", COLUMN_SHOWN, 16, .key = "why"},
	{NULL},
};

static fallible run_list(Cli *cli, const void *opts, const StringList *arguments)
{
	const ListOptions *given = opts;
	const Listing listing = {.columns = columns, .format = given->quiet ? "{{.Number}}" : given->format};
	autoptr(Value) answer = NULL;

	(void)arguments;
	TRY(listing_check(&listing));
	TRY(api_get(cli, &answer, SNAPSHOTS));
	const Value *list = value_get(answer, "snapshots");
	autofree Row *rows = mem_array(NULL, value_count(list) + 1, sizeof(Row));
	for (size_t i = 0; i < value_count(list); i++)
		rows[i] = (Row){.item = value_at(list, i)};
	return listing_print(&listing, rows, value_count(list));
}

const Command snapshots_ls_command = {
	.name = "snapshots ls",
	.usage = "[OPTIONS]",
	.summary = "List what was declared before, by number",
	.options = list_table,
	.options_size = sizeof(ListOptions),
	.run = run_list,
};

/* ---- show ---- */

static fallible run_show(Cli *cli, const void *opts, const StringList *arguments)
{
	autoclear(Buffer) target = {0}, out = {0};
	autoptr(Value) answer = NULL;

	(void)opts;
	target_path(&target, SNAPSHOTS "/", arguments->items[0], "");
	TRY(api_get(cli, &answer, buffer_text(&target)));
	value_write_yaml(answer, &out);
	fputs(buffer_text(&out), stdout);
	return NULL;
}

const Command snapshots_show_command = {
	.name = "snapshots show",
	.usage = "[OPTIONS] NUMBER",
	.summary = "Show what was declared, whole",
	.example = "snapshots show 7",
	.options = plain_table,
	.options_size = sizeof(PlainOptions),
	.arguments_min = 1,
	.arguments_max = 1,
	.run = run_show,
};

/* ---- diff ---- */

static fallible run_diff(Cli *cli, const void *opts, const StringList *arguments)
{
	autoclear(Buffer) target = {0};
	autoptr(Value) answer = NULL;

	(void)opts;
	target_path(&target, SNAPSHOTS "/", arguments->items[0], "/diff");
	target_query(&target, "to", arguments->count > 1 ? arguments->items[1] : NULL);
	TRY(api_get(cli, &answer, buffer_text(&target)));
	declared_print_differences(value_get(answer, "differences"));
	cli->status = value_count(value_get(answer, "differences")) ? EXIT_FAILED : EXIT_OK;
	return NULL;
}

const Command snapshots_diff_command = {
	.name = "snapshots diff",
	.usage = "[OPTIONS] NUMBER [NUMBER]",
	.summary = "Compare what was declared with another snapshot, or with the newest",
	.example = "snapshots diff 7",
	.options = plain_table,
	.options_size = sizeof(PlainOptions),
	.arguments_min = 1,
	.arguments_max = 2,
	.run = run_diff,
};

/* ---- rollback ---- */

static fallible run_rollback(Cli *cli, const void *opts, const StringList *arguments)
{
	autoclear(Buffer) target = {0};
	autoptr(Value) answer = NULL;

	(void)opts;
	target_path(&target, SNAPSHOTS "/", arguments->items[0], "/rollback");
	TRY(api_post(cli, &answer, buffer_text(&target), NULL));
	printf("%lld\n", (long long)value_int(value_get(answer, "snapshot"), 0));
	return NULL;
}

const Command snapshots_rollback_command = {
	.name = "snapshots rollback",
	.usage = "[OPTIONS] NUMBER",
	.summary = "Declare what was declared then: nothing more, nothing less",
	.example = "snapshots rollback 7",
	.options = plain_table,
	.options_size = sizeof(PlainOptions),
	.arguments_min = 1,
	.arguments_max = 1,
	.run = run_rollback,
};

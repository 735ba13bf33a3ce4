// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>

#include "cli/api.h"
#include "cli/commands.h"
#include "cli/grid.h"
#include "cli/terminal.h"

typedef struct TopOptions {
	bool help;
} TopOptions;

static const Option options[] = {
	HELP_OPTION(TopOptions),
	OPTION_END,
};

static void add_row(Grid *grid, const Value *cells)
{
	for (size_t i = 0; i < value_count(cells); i++) {
		const char *text = value_string(value_at(cells, i));
		grid_cell(grid, text ? text : "", NULL);
	}
}

/* The last column is the command, which may be long. */
static void print_processes(const Value *answer)
{
	const Value *titles = value_get(answer, "Titles"), *processes = value_get(answer, "Processes");
	autoptr(Grid) grid = grid_new();
	autoclear(Buffer) out = {0};

	for (size_t i = 0; i < value_count(titles); i++)
		grid_column(grid, (GridColumn){i + 1 < value_count(titles) ? GRID_FIXED : 8});
	add_row(grid, titles);
	for (size_t i = 0; i < value_count(processes); i++)
		if (value_count(value_at(processes, i)) == value_count(titles))
			add_row(grid, value_at(processes, i));
	grid_write(grid, &out, 0, false);
	fputs(buffer_text(&out), stdout);
}

static fallible run(Cli *cli, const void *opts, const StringList *arguments)
{
	autoclear(StringList) words = {0};
	autoclear(Buffer) target = {0};
	autoptr(Value) answer = NULL;

	(void)opts;
	strings_copy(&words, arguments);
	strings_remove(&words, 0);
	autofree char *ps_arguments = strings_join(&words, " ");
	target_path(&target, "/containers/", arguments->items[0], "/top");
	target_query(&target, "ps_args", words.count > 0 ? ps_arguments : NULL);
	TRY(api_get(cli, &answer, buffer_text(&target)));
	print_processes(answer);
	return NULL;
}

static const char *const aliases[] = {"container top", NULL};

const Command top_command = {
	.name = "top",
	.aliases = aliases,
	.usage = "CONTAINER [PS-OPTION...]",
	.summary = "Show the processes of a container",
	.example = "top web -o pid,args",
	.options = options,
	.options_size = sizeof(TopOptions),
	.parse_flags = OPTIONS_STOP_AT_ARGUMENT,
	.arguments_min = 1,
	.arguments_max = ANY_ARGUMENTS,
	.arguments = "container-running",
	.run = run,
};

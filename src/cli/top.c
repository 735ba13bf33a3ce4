// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>

#include "cli/api.h"
#include "cli/commands.h"
#include "cli/facts.h"
#include "cli/grid.h"
#include "cli/terminal.h"

typedef struct TopOptions {
	bool help;
	char *format;
} TopOptions;

static const Option options[] = {
	HELP_OPTION(TopOptions),
	{"format", 0, OPTION_STRING, offsetof(TopOptions, format), "FORMAT",
		"\"json\", or a template such as \"{{.PID}} {{.CMD}}\"", .complete = "json"},
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

/* A process by the titles of its columns, which are fields then. */
static Value *process_value(const Value *titles, const Value *cells)
{
	Value *process = value_object();

	for (size_t i = 0; i < value_count(titles) && i < value_count(cells); i++) {
		const char *title = value_string(value_at(titles, i));
		value_set(process, title ? title : "", value_ref(value_at(cells, i)));
	}
	return process;
}

static fallible print_format(const char *format, const Value *answer)
{
	const Value *titles = value_get(answer, "Titles"), *processes = value_get(answer, "Processes");
	autoclear(Buffer) out = {0};

	for (size_t i = 0; i < value_count(processes); i++) {
		autoptr(Value) process = process_value(titles, value_at(processes, i));
		TRY(facts_format(&out, format, process));
	}
	fputs(buffer_text(&out), stdout);
	return NULL;
}

static fallible run(Cli *cli, const void *opts, const StringList *arguments)
{
	const TopOptions *given = opts;
	autoclear(StringList) words = {0};
	autoclear(Buffer) target = {0};
	autoptr(Value) answer = NULL;

	TRY(facts_check(given->format));
	strings_copy(&words, arguments);
	strings_remove(&words, 0);
	autofree char *ps_arguments = strings_join(&words, " ");
	target_path(&target, "/containers/", arguments->items[0], "/top");
	target_query(&target, "ps_args", words.count > 0 ? ps_arguments : NULL);
	TRY(api_get(cli, &answer, buffer_text(&target)));
	if (given->format)
		return print_format(given->format, answer);
	print_processes(answer);
	return NULL;
}

static const char *const aliases[] = {"container top", NULL};

const Command top_command = {
	.name = "top",
	.aliases = aliases,
	.usage = "[OPTIONS] CONTAINER [PS-OPTION...]",
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

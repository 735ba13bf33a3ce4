// SPDX-License-Identifier: Apache-2.0
#include "cli/policy_lines.h"

#include <stdio.h>

#include "base/memory.h"
#include "base/strings.h"
#include "cli/grid.h"

void rules_print(const Value *rules)
{
	const char *name = NULL;
	Value *rule = NULL;
	size_t cursor = 0;

	while (value_each(rules, &cursor, &name, &rule)) {
		const Value *allowed = value_get(rule, "allowed");
		const char *mode = value_string(value_get(rule, "mode"));
		printf("rule %s: %s", name, mode ? mode : "");
		for (size_t i = 0; i < value_count(allowed); i++)
			printf("%s%s", i ? ", " : "; allowed: ", value_string(value_at(allowed, i)));
		printf("\n");
	}
}

void problem_print(const Value *status)
{
	const char *problem = value_string(value_get(status, "problem"));

	if (problem)
		printf("the file does not say so: %s\n", problem);
}

typedef struct RemovalColumn {
	const char *header, *key;
	GridColumn shape;
} RemovalColumn;

static const RemovalColumn columns[] = {
	{"NAME", "name", {.least = 12, .rank = 2}},
	{"IMAGE", "image", {.least = 12, .rank = 3}},
	{"ENGINE", "engine", {.least = GRID_FIXED}},
	{"STATE", "state", {.least = GRID_FIXED}},
	{"REMOVED", "removed", {.least = GRID_FIXED}},
	{"REASON", "reason", {.least = 20, .rank = 1}},
};

/* The other engine's containers are not among them. */
static void print_problem(const Value *engine)
{
	const char *url = value_string(value_get(engine, "url"));
	const char *problem = value_string(value_get(engine, "problem"));

	if (url && (problem || !string_equal(value_string(value_get(engine, "state")), "connected")))
		fprintf(stderr,
			"WARNING: what else is removed or stopped of the other engine, \"%s\", is not known: %s\n", url,
			problem ? problem : "it has not answered yet");
}

static void print_table(const Value *removals)
{
	autoptr(Grid) grid = grid_new();
	autoclear(Buffer) out = {0};

	for (size_t i = 0; i < sizeof(columns) / sizeof(columns[0]); i++)
		grid_column(grid, columns[i].shape);
	for (size_t i = 0; i < sizeof(columns) / sizeof(columns[0]); i++)
		grid_cell(grid, columns[i].header, NULL);
	for (size_t row = 0; row < value_count(removals); row++) {
		for (size_t i = 0; i < sizeof(columns) / sizeof(columns[0]); i++) {
			const char *text = value_string(value_get(value_at(removals, row), columns[i].key));
			grid_cell(grid, text ? text : "", NULL);
		}
	}
	grid_write(grid, &out, 0, false);
	fputs(buffer_text(&out), stdout);
}

void removals_print(const Value *answer)
{
	const Value *stops = value_get(answer, "stops");

	print_table(value_get(answer, "removals"));
	if (value_count(stops)) {
		printf("\nstopped by a rule, and left there:\n");
		print_table(stops);
	}
	print_problem(value_get(answer, "engine"));
}

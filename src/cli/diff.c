// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>

#include "base/memory.h"
#include "cli/api.h"
#include "cli/commands.h"
#include "cli/facts.h"

typedef struct DiffOptions {
	bool help;
	char *format;
} DiffOptions;

static const Option options[] = {
	HELP_OPTION(DiffOptions),
	{"format", 0, OPTION_STRING, offsetof(DiffOptions, format), "FORMAT",
		"\"json\", or a template such as \"{{.Kind}} {{.Path}}\"", .complete = "json"},
	OPTION_END,
};

/* The API's number of it as Docker's letter. */
static Value *change_value(const Value *change)
{
	static const char *const kinds[] = {"C", "A", "D"};
	int64_t kind = value_int(value_get(change, "Kind"), -1);
	const char *path = value_string(value_get(change, "Path"));
	Value *value = value_object();

	value_set(value, "Kind", value_new_string(kind >= 0 && kind < (int64_t)COUNT(kinds) ? kinds[kind] : "?"));
	value_set(value, "Path", value_new_string(path ? path : ""));
	return value;
}

static fallible run(Cli *cli, const void *opts, const StringList *arguments)
{
	const DiffOptions *given = opts;
	const char *format = given->format ? given->format : "{{.Kind}} {{.Path}}";
	autoclear(Buffer) target = {0}, out = {0};
	autoptr(Value) changes = NULL;

	TRY(facts_check(given->format));
	target_path(&target, "/containers/", arguments->items[0], "/changes");
	TRY(api_get(cli, &changes, buffer_text(&target)));
	for (size_t i = 0; i < value_count(changes); i++) {
		autoptr(Value) change = change_value(value_at(changes, i));
		TRY(facts_format(&out, format, change));
	}
	fputs(buffer_text(&out), stdout);
	return NULL;
}

static const char *const aliases[] = {"container diff", NULL};

const Command diff_command = {
	.name = "diff",
	.aliases = aliases,
	.usage = "[OPTIONS] CONTAINER",
	.summary = "Show what a container has changed of its image's files",
	.example = "diff web",
	.options = options,
	.options_size = sizeof(DiffOptions),
	.arguments_min = 1,
	.arguments_max = 1,
	.arguments = "container",
	.run = run,
};

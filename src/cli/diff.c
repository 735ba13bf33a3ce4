// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>

#include "cli/api.h"
#include "cli/commands.h"

typedef struct DiffOptions {
	bool help;
} DiffOptions;

static const Option options[] = {
	HELP_OPTION(DiffOptions),
	OPTION_END,
};

static void show_change(const Value *change)
{
	static const char kinds[] = "CAD";
	int64_t kind = value_int(value_get(change, "Kind"), 0);
	const char *path = value_string(value_get(change, "Path"));

	printf("%c %s\n", kind >= 0 && kind < 3 ? kinds[kind] : '?', path ? path : "");
}

static fallible run(Cli *cli, const void *opts, const StringList *arguments)
{
	autoclear(Buffer) target = {0};
	autoptr(Value) changes = NULL;

	(void)opts;
	target_path(&target, "/containers/", arguments->items[0], "/changes");
	TRY(api_get(cli, &changes, buffer_text(&target)));
	for (size_t i = 0; i < value_count(changes); i++)
		show_change(value_at(changes, i));
	return NULL;
}

static const char *const aliases[] = {"container diff", NULL};

const Command diff_command = {
	.name = "diff",
	.aliases = aliases,
	.usage = "CONTAINER",
	.summary = "Show what a container has changed of its image's files",
	.example = "diff web",
	.options = options,
	.options_size = sizeof(DiffOptions),
	.arguments_min = 1,
	.arguments_max = 1,
	.arguments = "container",
	.run = run,
};

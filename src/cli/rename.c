// SPDX-License-Identifier: Apache-2.0
#include "cli/api.h"
#include "cli/commands.h"

typedef struct RenameOptions {
	bool help;
} RenameOptions;

static const Option options[] = {
	HELP_OPTION(RenameOptions),
	OPTION_END,
};

static fallible run(Cli *cli, const void *opts, const StringList *arguments)
{
	autoclear(Buffer) target = {0};

	(void)opts;
	target_path(&target, "/containers/", arguments->items[0], "/rename");
	target_query(&target, "name", arguments->items[1]);
	return api_post(cli, NULL, buffer_text(&target), NULL);
}

static const char *const aliases[] = {"container rename", NULL};

const Command rename_command = {
	.name = "rename",
	.aliases = aliases,
	.usage = "CONTAINER NEW_NAME",
	.summary = "Give a container another name",
	.example = "rename web web-old",
	.options = options,
	.options_size = sizeof(RenameOptions),
	.arguments_min = 2,
	.arguments_max = 2,
	.arguments = "container",
	.run = run,
};

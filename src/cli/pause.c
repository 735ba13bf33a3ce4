// SPDX-License-Identifier: Apache-2.0
#include "cli/api.h"
#include "cli/commands.h"

typedef struct PauseOptions {
	bool help;
} PauseOptions;

static const Option options[] = {
	HELP_OPTION(PauseOptions),
	OPTION_END,
};

static fallible pause_one(Cli *cli, const char *name, const void *opts)
{
	autoclear(Buffer) target = {0};

	(void)opts;
	target_path(&target, "/containers/", name, "/pause");
	return api_post(cli, NULL, buffer_text(&target), NULL);
}

static fallible run(Cli *cli, const void *opts, const StringList *arguments)
{
	return cli_each(cli, arguments, pause_one, opts, true);
}

static const char *const aliases[] = {"container pause", NULL};

const Command pause_command = {
	.name = "pause",
	.aliases = aliases,
	.usage = "CONTAINER [CONTAINER...]",
	.summary = "Freeze all processes of containers",
	.options = options,
	.options_size = sizeof(PauseOptions),
	.arguments_min = 1,
	.arguments_max = ANY_ARGUMENTS,
	.arguments = "container-running",
	.run = run,
};

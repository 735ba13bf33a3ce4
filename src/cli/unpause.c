// SPDX-License-Identifier: Apache-2.0
#include "cli/api.h"
#include "cli/commands.h"

typedef struct UnpauseOptions {
	bool help;
} UnpauseOptions;

static const Option options[] = {
	HELP_OPTION(UnpauseOptions),
	OPTION_END,
};

static fallible unpause_one(Cli *cli, const char *name, const void *opts)
{
	autoclear(Buffer) target = {0};

	(void)opts;
	target_path(&target, "/containers/", name, "/unpause");
	return api_post(cli, NULL, buffer_text(&target), NULL);
}

static fallible run(Cli *cli, const void *opts, const StringList *arguments)
{
	return cli_each(cli, arguments, unpause_one, opts, true);
}

static const char *const aliases[] = {"container unpause", NULL};

const Command unpause_command = {
	.name = "unpause",
	.aliases = aliases,
	.usage = "CONTAINER [CONTAINER...]",
	.summary = "Let the processes of paused containers go on",
	.options = options,
	.options_size = sizeof(UnpauseOptions),
	.arguments_min = 1,
	.arguments_max = ANY_ARGUMENTS,
	.arguments = "container-running",
	.run = run,
};

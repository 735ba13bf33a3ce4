// SPDX-License-Identifier: Apache-2.0
#include "cli/api.h"
#include "cli/commands.h"
#include "cli/stop_options.h"

static fallible restart(Cli *cli, const char *name, const void *options)
{
	autoclear(Buffer) target = {0};

	target_path(&target, "/containers/", name, "/restart");
	stop_options_query(&target, options);
	return api_post(cli, NULL, buffer_text(&target), NULL);
}

static fallible run(Cli *cli, const void *options, const StringList *arguments)
{
	return cli_each(cli, arguments, restart, options, true);
}

static const char *const aliases[] = {"container restart", NULL};

const Command restart_command = {
	.name = "restart",
	.aliases = aliases,
	.usage = "[OPTIONS] CONTAINER [CONTAINER...]",
	.summary = "Stop containers and start them again",
	.options = stop_options,
	.options_size = sizeof(StopOptions),
	.defaults = &stop_defaults,
	.arguments_min = 1,
	.arguments_max = ANY_ARGUMENTS,
	.arguments = "container",
	.run = run,
};

// SPDX-License-Identifier: Apache-2.0
#include "cli/api.h"
#include "cli/commands.h"
#include "cli/stop_options.h"

static fallible stop(Cli *cli, const char *name, const void *options)
{
	autoclear(Buffer) target = {0};

	target_path(&target, "/containers/", name, "/stop");
	stop_options_query(&target, options);
	return api_post(cli, NULL, buffer_text(&target), NULL);
}

static fallible run(Cli *cli, const void *options, const StringList *arguments)
{
	return cli_each(cli, arguments, stop, options, true);
}

static const char *const aliases[] = {"container stop", NULL};

const Command stop_command = {
	.name = "stop",
	.aliases = aliases,
	.usage = "[OPTIONS] CONTAINER [CONTAINER...]",
	.summary = "Stop containers: their stop signal, then KILL in time",
	.options = stop_options,
	.options_size = sizeof(StopOptions),
	.defaults = &stop_defaults,
	.arguments_min = 1,
	.arguments_max = ANY_ARGUMENTS,
	.arguments = "container-running",
	.run = run,
};

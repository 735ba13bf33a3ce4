// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>

#include "cli/api.h"
#include "cli/commands.h"

typedef struct RmOptions {
	bool help, force, volumes;
} RmOptions;

static const Option options[] = {
	HELP_OPTION(RmOptions),
	{"force", 'f', OPTION_SWITCH, offsetof(RmOptions, force), .help = "kill it first if it runs"},
	{"volumes", 'v', OPTION_SWITCH, offsetof(RmOptions, volumes), .help = "remove its anonymous volumes too"},
	{"link", 'l', OPTION_REFUSED, .help = "there are no links between containers"},
	OPTION_END,
};

static fallible remove_one(Cli *cli, const char *name, const void *opts)
{
	const RmOptions *given = opts;
	autoclear(Buffer) target = {0};

	target_path(&target, "/containers/", name, "");
	target_query_flag(&target, "v", given->volumes);
	target_query_flag(&target, "force", given->force);
	Error *error = api_delete(cli, NULL, buffer_text(&target));
	if (!error)
		puts(name);
	if (!error || !given->force || error_kind(error) != ERROR_NOT_FOUND)
		return error;
	cli_report(error); /* with --force, what is not there is as good as removed: said, but no failure */
	return NULL;
}

static fallible run(Cli *cli, const void *opts, const StringList *arguments)
{
	return cli_each(cli, arguments, remove_one, opts, false);
}

static const char *const aliases[] = {"container rm", "container remove", NULL};

const Command rm_command = {
	.name = "rm",
	.aliases = aliases,
	.usage = "[OPTIONS] CONTAINER [CONTAINER...]",
	.summary = "Remove containers",
	.options = options,
	.options_size = sizeof(RmOptions),
	.arguments_min = 1,
	.arguments_max = ANY_ARGUMENTS,
	.arguments = "container",
	.run = run,
};

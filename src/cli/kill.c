// SPDX-License-Identifier: Apache-2.0
#include "cli/api.h"
#include "cli/commands.h"

typedef struct KillOptions {
	bool help;
	char *signal;
} KillOptions;

static const Option options[] = {
	HELP_OPTION(KillOptions),
	{"signal", 's', OPTION_STRING, offsetof(KillOptions, signal), "SIGNAL", "the signal to send (default: KILL)",
		.complete = "signal"},
	OPTION_END,
};

static fallible send_signal(Cli *cli, const char *name, const void *opts)
{
	const KillOptions *given = opts;
	autoclear(Buffer) target = {0};

	target_path(&target, "/containers/", name, "/kill");
	target_query(&target, "signal", given->signal);
	return api_post(cli, NULL, buffer_text(&target), NULL);
}

static fallible run(Cli *cli, const void *opts, const StringList *arguments)
{
	return cli_each(cli, arguments, send_signal, opts, true);
}

static const char *const aliases[] = {"container kill", NULL};

const Command kill_command = {
	.name = "kill",
	.aliases = aliases,
	.usage = "[OPTIONS] CONTAINER [CONTAINER...]",
	.summary = "Send a signal to running containers",
	.example = "kill --signal HUP web",
	.options = options,
	.options_size = sizeof(KillOptions),
	.arguments_min = 1,
	.arguments_max = ANY_ARGUMENTS,
	.arguments = "container-running",
	.run = run,
};

// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>

#include "cli/api.h"
#include "cli/archive_file.h"
#include "cli/commands.h"
#include "cli/progress.h"

typedef struct LoadOptions {
	bool help, quiet;
	char *input;
} LoadOptions;

static const Option options[] = {
	HELP_OPTION(LoadOptions),
	{"input", 'i', OPTION_STRING, offsetof(LoadOptions, input), "FILE",
		"read the archive from a file (without it: standard input)", .complete = "file"},
	{"quiet", 'q', OPTION_SWITCH, offsetof(LoadOptions, quiet), .help = "do not show progress"},
	{"platform", 0, OPTION_REFUSED, .argument = "OS/ARCH", .help = "the platform of this machine is taken"},
	OPTION_END,
};

static fallible run(Cli *cli, const void *opts, const StringList *arguments)
{
	const LoadOptions *given = opts;
	autofd input = -1;

	(void)arguments;
	TRY(archive_open_input(&input, cli, given->input));
	HttpCall call = {
		.method = "POST",
		.target = given->quiet ? "/images/load?quiet=1" : "/images/load?quiet=0",
		.content_type = "application/x-tar",
		.sends_file = true,
		.file_fd = input,
	};
	TRY(api_open(cli->client, &call));
	return progress_show(cli->client, stdout, false); /* with --quiet the daemon sends the result alone */
}

static const char *const aliases[] = {"image load", NULL};

const Command load_command = {
	.name = "load",
	.aliases = aliases,
	.usage = "[OPTIONS]",
	.summary = "Load images from a tar archive",
	.options = options,
	.options_size = sizeof(LoadOptions),
	.run = run,
};

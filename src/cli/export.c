// SPDX-License-Identifier: Apache-2.0
#include "cli/api.h"
#include "cli/archive_file.h"
#include "cli/commands.h"

typedef struct ExportOptions {
	bool help;
	char *output;
} ExportOptions;

static const Option options[] = {
	HELP_OPTION(ExportOptions),
	{"output", 'o', OPTION_STRING, offsetof(ExportOptions, output), "FILE",
		"write the archive to a file (without it: standard output)", .complete = "file"},
	OPTION_END,
};

static fallible run(Cli *cli, const void *opts, const StringList *arguments)
{
	const ExportOptions *given = opts;
	autoclear(Buffer) target = {0};

	target_path(&target, "/containers/", arguments->items[0], "/export");
	return archive_receive(cli, buffer_text(&target), given->output);
}

static const char *const aliases[] = {"container export", NULL};

const Command export_command = {
	.name = "export",
	.aliases = aliases,
	.usage = "[OPTIONS] CONTAINER",
	.summary = "Write a container's file system to a tar archive",
	.example = "export --output web.tar web",
	.options = options,
	.options_size = sizeof(ExportOptions),
	.arguments_min = 1,
	.arguments_max = 1,
	.arguments = "container",
	.run = run,
};

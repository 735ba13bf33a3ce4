// SPDX-License-Identifier: Apache-2.0
#include "cli/api.h"
#include "cli/archive_file.h"
#include "cli/commands.h"

typedef struct SaveOptions {
	bool help;
	char *output;
} SaveOptions;

static const Option options[] = {
	HELP_OPTION(SaveOptions),
	{"output", 'o', OPTION_STRING, offsetof(SaveOptions, output), "FILE",
		"write the archive to a file (without it: standard output)", .complete = "file"},
	{"platform", 0, OPTION_REFUSED, .argument = "OS/ARCH", .help = "an image is kept for one platform"},
	OPTION_END,
};

static fallible run(Cli *cli, const void *opts, const StringList *arguments)
{
	const SaveOptions *given = opts;
	autoclear(Buffer) target = {0};

	buffer_add_text(&target, "/images/get");
	for (size_t i = 0; i < arguments->count; i++)
		target_query(&target, "names", arguments->items[i]);
	return archive_receive(cli, buffer_text(&target), given->output);
}

static const char *const aliases[] = {"image save", NULL};

const Command save_command = {
	.name = "save",
	.aliases = aliases,
	.usage = "[OPTIONS] IMAGE [IMAGE...]",
	.summary = "Save images to a tar archive",
	.example = "save --output web.tar web:1",
	.options = options,
	.options_size = sizeof(SaveOptions),
	.arguments_min = 1,
	.arguments_max = ANY_ARGUMENTS,
	.arguments = "image",
	.run = run,
};

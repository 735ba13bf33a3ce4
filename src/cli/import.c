// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>
#include <string.h>

#include "cli/api.h"
#include "cli/archive_file.h"
#include "cli/commands.h"
#include "cli/image_name.h"
#include "cli/progress.h"

typedef struct ImportOptions {
	bool help;
	StringList changes;
	char *message, *platform;
} ImportOptions;

static const Option options[] = {
	HELP_OPTION(ImportOptions),
	{"change", 'c', OPTION_LIST, offsetof(ImportOptions, changes), "INSTRUCTION",
		"set what the image runs as a Dockerfile does: CMD, ENTRYPOINT, ENV, EXPOSE, HEALTHCHECK, LABEL, "
		"ONBUILD, STOPSIGNAL, USER, VOLUME, WORKDIR"},
	{"message", 'm', OPTION_STRING, offsetof(ImportOptions, message), "TEXT", "the comment in the image's history"},
	{"platform", 0, OPTION_STRING, offsetof(ImportOptions, platform), "OS/ARCH",
		"what the files in it run on (without it: as this machine)"},
	OPTION_END,
};

static void make_target(Buffer *target, const ImportOptions *given, const char *name)
{
	autoclear(ImageName) image = {0};

	buffer_add_text(target, "/images/create?fromSrc=-");
	if (name) {
		image_name_split(&image, name);
		target_query(target, "repo", image.name);
		target_query(target, "tag", image.tag);
	}
	target_query(target, "message", given->message);
	target_query(target, "platform", given->platform);
	for (size_t i = 0; i < given->changes.count; i++)
		target_query(target, "changes", given->changes.items[i]);
}

static fallible run(Cli *cli, const void *opts, const StringList *arguments)
{
	autoclear(Buffer) target = {0};
	autofd input = -1;

	if (strstr(arguments->items[0], "://"))
		return error_hint(error_new(ERROR_UNSUPPORTED, "cannot import from a URL"),
			"download it first, and give the file");
	TRY(archive_open_input(&input, cli, arguments->items[0]));
	make_target(&target, opts, arguments->count > 1 ? arguments->items[1] : NULL);
	const HttpCall call = {
		.method = "POST",
		.target = buffer_text(&target),
		.content_type = "application/x-tar",
		.sends_file = true,
		.file_fd = input,
	};
	TRY(api_open(cli->client, &call));
	return progress_show(cli->client, stdout, false);
}

static const char *const aliases[] = {"image import", NULL};

const Command import_command = {
	.name = "import",
	.aliases = aliases,
	.usage = "[OPTIONS] FILE|- [REPOSITORY[:TAG]]",
	.summary = "Make an image of a tar archive of a file system",
	.example = "import rootfs.tar base:1",
	.options = options,
	.options_size = sizeof(ImportOptions),
	.arguments_min = 1,
	.arguments_max = 2,
	.arguments = "file",
	.run = run,
};

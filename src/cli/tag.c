// SPDX-License-Identifier: Apache-2.0
#include "cli/api.h"
#include "cli/commands.h"
#include "cli/image_name.h"

typedef struct TagOptions {
	bool help;
} TagOptions;

static const Option options[] = {
	HELP_OPTION(TagOptions),
	OPTION_END,
};

static fallible run(Cli *cli, const void *opts, const StringList *arguments)
{
	autoclear(ImageName) name = {0};
	autoclear(Buffer) target = {0};

	(void)opts;
	image_name_split(&name, arguments->items[1]);
	target_image(&target, arguments->items[0], "/tag");
	target_query(&target, "repo", name.name);
	target_query(&target, "tag", name.tag ? name.tag : "latest");
	return api_post(cli, NULL, buffer_text(&target), NULL);
}

static const char *const aliases[] = {"image tag", NULL};

const Command tag_command = {
	.name = "tag",
	.aliases = aliases,
	.usage = "SOURCE_IMAGE[:TAG] TARGET_IMAGE[:TAG]",
	.summary = "Give an image another name",
	.example = "tag web:1 registry.example/web:1",
	.options = options,
	.options_size = sizeof(TagOptions),
	.arguments_min = 2,
	.arguments_max = 2,
	.arguments = "image",
	.run = run,
};

// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>

#include "cli/api.h"
#include "cli/commands.h"
#include "cli/config.h"
#include "cli/image_name.h"
#include "cli/progress.h"

typedef struct PushOptions {
	bool help, quiet, content_trust;
} PushOptions;

static const Option options[] = {
	HELP_OPTION(PushOptions),
	{"quiet", 'q', OPTION_SWITCH, offsetof(PushOptions, quiet), .help = "print nothing but the image's name"},
	{"disable-content-trust", 0, OPTION_SWITCH, offsetof(PushOptions, content_trust),
		.help = "accepted without effect: there is no content trust"},
	{"all-tags", 'a', OPTION_REFUSED, .help = "push the tags that are wanted one by one"},
	{"platform", 0, OPTION_REFUSED, .argument = "OS/ARCH", .help = "an image is kept for one platform"},
	OPTION_END,
};

static fallible run(Cli *cli, const void *opts, const StringList *arguments)
{
	const PushOptions *given = opts;
	autoclear(ImageName) name = {0};
	autoclear(Buffer) target = {0};
	autofree char *credentials = NULL;

	image_name_split(&name, arguments->items[0]);
	if (!name.tag && !given->quiet)
		printf("Using default tag: latest\n");
	TRY(config_header(&credentials, cli->config_dir, name.registry));
	target_image(&target, name.name, "/push");
	target_query(&target, "tag", name.tag ? name.tag : "latest");
	const char *const headers[] = {credentials, NULL};
	HttpCall call = {.method = "POST", .target = buffer_text(&target), .headers = headers};
	TRY(api_open(cli->client, &call));
	TRY(progress_show(cli->client, stdout, given->quiet));
	if (given->quiet)
		printf("%s:%s\n", name.name, name.tag ? name.tag : "latest");
	return NULL;
}

static const char *const aliases[] = {"image push", NULL};

const Command push_command = {
	.name = "push",
	.aliases = aliases,
	.usage = "[OPTIONS] NAME[:TAG]",
	.summary = "Upload an image to a registry",
	.example = "push registry.example/web:1",
	.options = options,
	.options_size = sizeof(PushOptions),
	.arguments_min = 1,
	.arguments_max = 1,
	.arguments = "image",
	.run = run,
};

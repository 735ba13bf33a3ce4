// SPDX-License-Identifier: Apache-2.0
#include "cli/pull.h"

#include <string.h>

#include "cli/api.h"
#include "cli/commands.h"
#include "cli/config.h"
#include "cli/image_name.h"
#include "cli/progress.h"

typedef struct PullOptions {
	bool help, quiet, content_trust;
	char *platform;
} PullOptions;

static const Option options[] = {
	HELP_OPTION(PullOptions),
	{"quiet", 'q', OPTION_SWITCH, offsetof(PullOptions, quiet), .help = "print nothing but the image's name"},
	{"platform", 0, OPTION_STRING, offsetof(PullOptions, platform), "OS/ARCH",
		"which platform of the image, for example linux/arm64"},
	{"disable-content-trust", 0, OPTION_SWITCH, offsetof(PullOptions, content_trust),
		.help = "accepted without effect: there is no content trust"},
	{"all-tags", 'a', OPTION_REFUSED, .help = "pull the tags that are wanted one by one"},
	OPTION_END,
};

fallible pull_image(Cli *cli, const char *image, const char *platform, FILE *out, bool is_quiet)
{
	autoclear(ImageName) name = {0};
	autoclear(Buffer) target = {0};
	autofree char *credentials = NULL;

	image_name_split(&name, image);
	TRY(config_header(&credentials, cli->config_dir, name.registry));
	buffer_add_text(&target, "/images/create");
	target_query(&target, "fromImage", name.name);
	target_query(&target, "tag", name.tag ? name.tag : "latest");
	target_query(&target, "platform", platform);
	const char *const headers[] = {credentials, NULL};
	HttpCall call = {.method = "POST", .target = buffer_text(&target), .headers = headers};
	TRY(api_open(cli->client, &call));
	return progress_show(cli->client, out, is_quiet);
}

/* Docker's last line: the name in full. */
static void print_name(const ImageName *name)
{
	const char *separator = name->tag && strchr(name->tag, ':') ? "@" : ":";
	const char *tag = name->tag ? name->tag : "latest";

	if (!string_equal(name->registry, "docker.io") || string_starts(name->name, "docker.io/"))
		printf("%s%s%s\n", name->name, separator, tag);
	else
		printf("docker.io/%s%s%s%s\n", strchr(name->name, '/') ? "" : "library/", name->name, separator, tag);
}

static fallible run(Cli *cli, const void *opts, const StringList *arguments)
{
	const PullOptions *given = opts;
	autoclear(ImageName) name = {0};

	image_name_split(&name, arguments->items[0]);
	if (!name.tag && !given->quiet)
		printf("Using default tag: latest\n");
	TRY(pull_image(cli, arguments->items[0], given->platform, stdout, given->quiet));
	print_name(&name);
	return NULL;
}

static const char *const aliases[] = {"image pull", NULL};

const Command pull_command = {
	.name = "pull",
	.aliases = aliases,
	.usage = "[OPTIONS] NAME[:TAG|@DIGEST]",
	.summary = "Download an image from a registry",
	.example = "pull registry.example/web:1",
	.options = options,
	.options_size = sizeof(PullOptions),
	.arguments_min = 1,
	.arguments_max = 1,
	.arguments = "image",
	.run = run,
};

// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>

#include "cli/api.h"
#include "cli/commands.h"
#include "cli/image_name.h"

typedef struct CommitOptions {
	bool help, pause;
	char *author, *message;
	StringList changes;
} CommitOptions;

static const CommitOptions defaults = {.pause = true};

static const Option options[] = {
	HELP_OPTION(CommitOptions),
	{"author", 'a', OPTION_STRING, offsetof(CommitOptions, author), "TEXT", "who has made it: \"Name <mail>\""},
	{"change", 'c', OPTION_LIST, offsetof(CommitOptions, changes), "INSTRUCTION",
		"set what the image runs as a Dockerfile does: CMD, ENTRYPOINT, ENV, EXPOSE, HEALTHCHECK, LABEL, "
		"ONBUILD, STOPSIGNAL, USER, VOLUME, WORKDIR"},
	{"message", 'm', OPTION_STRING, offsetof(CommitOptions, message), "TEXT", "the comment in the image's history"},
	{"pause", 'p', OPTION_SWITCH, offsetof(CommitOptions, pause),
		.help = "pause the container while its files are read (default: true)"},
	OPTION_END,
};

static void make_target(Buffer *target, const CommitOptions *given, const StringList *arguments)
{
	autoclear(ImageName) image = {0};

	buffer_add_text(target, "/commit");
	target_query(target, "container", arguments->items[0]);
	if (arguments->count > 1) {
		image_name_split(&image, arguments->items[1]);
		target_query(target, "repo", image.name);
		target_query(target, "tag", image.tag);
	}
	target_query(target, "author", given->author);
	target_query(target, "comment", given->message);
	target_query(target, "pause", given->pause ? "1" : "0");
	for (size_t i = 0; i < given->changes.count; i++)
		target_query(target, "changes", given->changes.items[i]);
}

static fallible run(Cli *cli, const void *opts, const StringList *arguments)
{
	autoclear(Buffer) target = {0};
	autoptr(Value) answer = NULL;

	make_target(&target, opts, arguments);
	TRY(api_post(cli, &answer, buffer_text(&target), NULL));
	const char *id = value_string(value_get(answer, "Id"));
	puts(id ? id : "");
	return NULL;
}

static const char *const aliases[] = {"container commit", NULL};

const Command commit_command = {
	.name = "commit",
	.aliases = aliases,
	.usage = "[OPTIONS] CONTAINER [REPOSITORY[:TAG]]",
	.summary = "Make an image of a container",
	.example = "commit web web:debug",
	.options = options,
	.options_size = sizeof(CommitOptions),
	.defaults = &defaults,
	.arguments_min = 1,
	.arguments_max = 2,
	.arguments = "container",
	.run = run,
};

// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>

#include "cli/api.h"
#include "cli/commands.h"

typedef struct RmiOptions {
	bool help, force, no_prune;
} RmiOptions;

static const Option options[] = {
	HELP_OPTION(RmiOptions),
	{"force", 'f', OPTION_SWITCH, offsetof(RmiOptions, force),
		.help = "remove it although containers or several names use it"},
	{"no-prune", 0, OPTION_SWITCH, offsetof(RmiOptions, no_prune), .help = "keep parents without a name"},
	{"platform", 0, OPTION_REFUSED, .argument = "PLATFORM", .help = "an image is kept for one platform"},
	OPTION_END,
};

static void print_removal(const Value *answer)
{
	for (size_t i = 0; i < value_count(answer); i++) {
		const char *untagged = value_string(value_get(value_at(answer, i), "Untagged"));
		const char *deleted = value_string(value_get(value_at(answer, i), "Deleted"));
		if (untagged)
			printf("Untagged: %s\n", untagged);
		if (deleted)
			printf("Deleted: %s\n", deleted);
	}
}

static fallible remove_one(Cli *cli, const char *name, const void *opts)
{
	const RmiOptions *given = opts;
	autoclear(Buffer) target = {0};
	autoptr(Value) answer = NULL;

	target_image(&target, name, "");
	target_query_flag(&target, "force", given->force);
	target_query_flag(&target, "noprune", given->no_prune);
	TRY(api_delete(cli, &answer, buffer_text(&target)));
	print_removal(answer);
	return NULL;
}

static fallible run(Cli *cli, const void *opts, const StringList *arguments)
{
	return cli_each(cli, arguments, remove_one, opts, false);
}

static const char *const aliases[] = {"image rm", "image remove", NULL};

const Command rmi_command = {
	.name = "rmi",
	.aliases = aliases,
	.usage = "[OPTIONS] IMAGE [IMAGE...]",
	.summary = "Remove images",
	.options = options,
	.options_size = sizeof(RmiOptions),
	.arguments_min = 1,
	.arguments_max = ANY_ARGUMENTS,
	.arguments = "image",
	.run = run,
};

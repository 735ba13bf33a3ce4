// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>

#include "cli/api.h"
#include "cli/commands.h"

typedef struct WaitOptions {
	bool help;
	char *condition;
} WaitOptions;

static const Option options[] = {
	HELP_OPTION(WaitOptions),
	{"condition", 0, OPTION_STRING, offsetof(WaitOptions, condition), "WHAT",
		"not-running, next-exit or removed (default: not-running)",
		.complete = "not-running next-exit removed"},
	OPTION_END,
};

static fallible wait_for(Cli *cli, const char *name, const void *opts)
{
	autoclear(Buffer) target = {0};
	autoptr(Value) answer = NULL;

	target_path(&target, "/containers/", name, "/wait");
	target_query(&target, "condition", ((const WaitOptions *)opts)->condition);
	TRY(api_post(cli, &answer, buffer_text(&target), NULL));
	printf("%lld\n", (long long)value_int(value_get(answer, "StatusCode"), 0));
	fflush(stdout); /* the next one may take long */
	return NULL;
}

static fallible run(Cli *cli, const void *opts, const StringList *arguments)
{
	return cli_each(cli, arguments, wait_for, opts, false);
}

static const char *const aliases[] = {"container wait", NULL};

const Command wait_command = {
	.name = "wait",
	.aliases = aliases,
	.usage = "[OPTIONS] CONTAINER [CONTAINER...]",
	.summary = "Wait until containers stop, then print their exit statuses",
	.options = options,
	.options_size = sizeof(WaitOptions),
	.arguments_min = 1,
	.arguments_max = ANY_ARGUMENTS,
	.arguments = "container",
	.run = run,
};

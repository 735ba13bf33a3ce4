// SPDX-License-Identifier: Apache-2.0
#include "cli/api.h"
#include "cli/commands.h"
#include "cli/limit_options.h"

static const Option options[] = {
	HELP_OPTION(ContainerOptions),
	LIMIT_OPTIONS,
	{"restart", 0, OPTION_STRING, offsetof(ContainerOptions, restart), "POLICY",
		"no, always, unless-stopped, on-failure[:MAX]", .complete = "no always unless-stopped on-failure"},
	{"kernel-memory", 0, OPTION_REFUSED, .argument = "BYTES", .help = "the kernel has no such limit any more"},
	OPTION_END,
};

static fallible update(Cli *cli, const char *name, const void *body)
{
	autoclear(Buffer) target = {0};
	autoptr(Value) answer = NULL;

	target_path(&target, "/containers/", name, "/update");
	TRY(api_post(cli, &answer, buffer_text(&target), body));
	api_print_warnings(answer);
	return NULL;
}

static fallible run(Cli *cli, const void *opts, const StringList *arguments)
{
	autoclear(Buffer) body = {0};

	TRY(container_update_body(&body, opts));
	if (string_equal(buffer_text(&body), "{}"))
		return error_hint(error_new(ERROR_INVALID, "say what is to change: there is no option"),
			"for example: kedge %s", cli->command->example);
	return cli_each(cli, arguments, update, buffer_text(&body), true);
}

static const char *const aliases[] = {"container update", NULL};

const Command update_command = {
	.name = "update",
	.aliases = aliases,
	.usage = "[OPTIONS] CONTAINER [CONTAINER...]",
	.summary = "Change limits and restart policy of containers",
	.example = "update --memory 128m web",
	.options = options,
	.options_size = sizeof(ContainerOptions),
	.defaults = &container_defaults,
	.arguments_min = 1,
	.arguments_max = ANY_ARGUMENTS,
	.arguments = "container",
	.run = run,
};

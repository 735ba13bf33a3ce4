// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>

#include "cli/commands.h"
#include "cli/new_container.h"

static fallible run(Cli *cli, const void *options, const StringList *arguments)
{
	autofree char *id = NULL;

	TRY(new_container(&id, cli, options, arguments));
	puts(id);
	return NULL;
}

static const char *const aliases[] = {"container create", NULL};

const Command create_command = {
	.name = "create",
	.aliases = aliases,
	.usage = "[OPTIONS] IMAGE [COMMAND] [ARG...]",
	.summary = "Create a container without starting it",
	.example = "create --name web registry.example/web:1",
	.options = create_options,
	.options_size = sizeof(ContainerOptions),
	.defaults = &container_defaults,
	.parse_flags = OPTIONS_STOP_AT_ARGUMENT,
	.arguments_min = 1,
	.arguments_max = ANY_ARGUMENTS,
	.arguments = "image",
	.run = run,
};

// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>

#include "cli/commands.h"
#include "cli/config.h"

typedef struct LogoutOptions {
	bool help;
} LogoutOptions;

static const Option options[] = {
	HELP_OPTION(LogoutOptions),
	OPTION_END,
};

static fallible run(Cli *cli, const void *opts, const StringList *arguments)
{
	autofree char *registry = config_registry_of(arguments->count > 0 ? arguments->items[0] : NULL);
	autoclear(Config) config = {0};
	bool removed;

	(void)opts;
	TRY(config_load(&config, cli->config_dir));
	TRY(config_remove(&config, registry, &removed));
	if (removed)
		printf("Removing login credentials for %s\n", registry);
	else
		printf("Not logged in to %s\n", registry);
	return NULL;
}

const Command logout_command = {
	.name = "logout",
	.usage = "[SERVER]",
	.summary = "Forget the credentials for a registry or Docker Hub",
	.options = options,
	.options_size = sizeof(LogoutOptions),
	.arguments_max = 1,
	.run = run,
};

// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>

#include "cli/commands.h"
#include "cli/foreground.h"
#include "cli/new_container.h"
#include "cli/start_container.h"

static fallible start(Cli *cli, const char *id)
{
	Error *error = start_container(cli, id);

	if (error)
		cli->status = start_failure_status(error);
	return error;
}

static bool shows(const ContainerOptions *options, const char *stream)
{
	return options->attach.count == 0 || strings_has(&options->attach, stream);
}

/* Output and end are asked for before the start: nothing of a short life is missed. */
static fallible run_foreground(Cli *cli, const ContainerOptions *options, const char *id)
{
	autoclear(Foreground) foreground = {.output = -1, .signals = -1};

	foreground_init(&foreground, cli, id);
	TRY(foreground_attach(&foreground, shows(options, "stdout"), shows(options, "stderr"), false));
	TRY(foreground_wait(&foreground, options->rm ? "removed" : "next-exit"));
	if (options->sig_proxy)
		TRY(foreground_proxy_signals(&foreground));
	Error *error = start(cli, id);
	if (error && options->rm)
		foreground_wait_out(&foreground);
	return error ? error : foreground_run(&foreground, &cli->status);
}

static fallible run(Cli *cli, const void *opts, const StringList *arguments)
{
	const ContainerOptions *options = opts;
	autofree char *id = NULL;

	TRY(new_container(&id, cli, options, arguments));
	if (!options->detach)
		return run_foreground(cli, options, id);
	TRY(start(cli, id));
	puts(id);
	return NULL;
}

static const char *const aliases[] = {"container run", NULL};

const Command run_command = {
	.name = "run",
	.aliases = aliases,
	.usage = "[OPTIONS] IMAGE [COMMAND] [ARG...]",
	.summary = "Create and start a container from an image",
	.options = run_options,
	.options_size = sizeof(ContainerOptions),
	.defaults = &container_defaults,
	.parse_flags = OPTIONS_STOP_AT_ARGUMENT,
	.arguments_min = 1,
	.arguments_max = ANY_ARGUMENTS,
	.arguments = "image",
	.failed_status = EXIT_RUN_FAILED,
	.run = run,
};

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

/* Who is attached to neither output gets the id, as in the background, when the input has been handed over. */
static fallible show_id(const ForegroundStreams *streams, const char *id)
{
	if (streams->wants_stdout || streams->wants_stderr)
		return NULL;
	puts(id);
	return fflush(stdout) ? error_new(ERROR_UNAVAILABLE, "could not write the id") : NULL;
}

/* Output and end are asked for before the start: nothing of a short life is missed. */
static fallible run_foreground(Cli *cli, const ContainerOptions *options, const char *id)
{
	autoclear(Foreground) foreground = {.cli = NULL};
	const ForegroundStreams streams = {
		.wants_stdin = container_attaches(options, "stdin"),
		.wants_stdout = container_attaches(options, "stdout"),
		.wants_stderr = container_attaches(options, "stderr"),
		.has_terminal = options->tty,
		.detach_keys = options->detach_keys,
	};

	foreground_init(&foreground, cli, id);
	TRY(foreground_attach(&foreground, &streams));
	if (streams.wants_stdout || streams.wants_stderr)
		TRY(foreground_wait(&foreground, options->rm ? "removed" : "next-exit"));
	TRY(foreground_proxy_signals(&foreground, options->sig_proxy));
	Error *error = start(cli, id);
	if (error && options->rm && foreground.wait)
		foreground_wait_out(&foreground);
	TRY(error);
	foreground_started(&foreground);
	TRY(show_id(&streams, id));
	return foreground_run(&foreground, &cli->status);
}

static fallible check_streams(const ContainerOptions *options)
{
	if (options->detach && options->attach.count > 0)
		return error_new(ERROR_INVALID, "options \"--detach\" and \"--attach\" exclude each other");
	return session_check_terminal(options->tty && container_attaches(options, "stdin"), WITHOUT_TTY);
}

/* Docker's program tells this by another status than what else may be wrong before the start. */
static fallible check_our_side(Cli *cli, const ContainerOptions *options)
{
	Error *error = check_streams(options);

	if (error)
		cli->status = EXIT_FAILED;
	return error;
}

static fallible run(Cli *cli, const void *opts, const StringList *arguments)
{
	const ContainerOptions *options = opts;
	autofree char *id = NULL;
	Keys keys;

	TRY(keys_parse(&keys, options->detach_keys));
	TRY(check_our_side(cli, options));
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
	.example = "run -d --name web -p 8080:80 registry.example/web:1",
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

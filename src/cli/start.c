// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>
#include <string.h>

#include "cli/api.h"
#include "cli/commands.h"
#include "cli/foreground.h"
#include "cli/start_container.h"

typedef struct StartOptions {
	bool help, attach, interactive;
	char *detach_keys;
} StartOptions;

static const Option options[] = {
	HELP_OPTION(StartOptions),
	{"attach", 'a', OPTION_SWITCH, offsetof(StartOptions, attach),
		.help = "show its output, hand signals on, end with its exit status"},
	{"interactive", 'i', OPTION_SWITCH, offsetof(StartOptions, interactive),
		.help = "as --attach, and hand our input on"},
	{"detach-keys", 0, OPTION_STRING, offsetof(StartOptions, detach_keys), "KEYS",
		"leave it running by these (default: ctrl-p,ctrl-q)"},
	{"checkpoint", 0, OPTION_REFUSED, .argument = "NAME", .help = "there are no checkpoints"},
	{"checkpoint-dir", 0, OPTION_REFUSED, .argument = "DIR", .help = "there are no checkpoints"},
	OPTION_END,
};

/* ---- the request ---- */

fallible start_container(Cli *cli, const char *id)
{
	autoclear(Buffer) target = {0};

	target_path(&target, "/containers/", id, "/start");
	return api_post(cli, NULL, buffer_text(&target), NULL);
}

static const struct {
	const char *text;
	int status;
} failures[] = {
	{"executable file not found", EXIT_RUN_NOT_FOUND},
	{"no such file or directory", EXIT_RUN_NOT_FOUND},
	{"permission denied", EXIT_RUN_DENIED},
	{"is a directory", EXIT_RUN_DENIED},
};

int start_failure_status(const Error *error)
{
	for (size_t i = 0; i < sizeof(failures) / sizeof(failures[0]); i++)
		if (strcasestr(error_message(error), failures[i].text))
			return failures[i].status;
	return EXIT_RUN_FAILED;
}

/* ---- the command ---- */

static fallible start_one(Cli *cli, const char *name, const void *opts)
{
	(void)opts;
	return start_container(cli, name);
}

static fallible find_id(Cli *cli, Value **ret_container, const char *name)
{
	autoclear(Buffer) target = {0};

	target_path(&target, "/containers/", name, "/json");
	return api_get(cli, ret_container, buffer_text(&target));
}

static fallible start_attached(Cli *cli, const StartOptions *given, const char *name)
{
	autoptr(Value) container = NULL;
	autoclear(Foreground) foreground = {.cli = NULL};

	TRY(find_id(cli, &container, name));
	const char *id = value_string(value_get(container, "Id"));
	bool removes = value_bool(value_path(container, "HostConfig.AutoRemove"), false);
	if (value_bool(value_path(container, "State.Running"), false))
		return error_hint(error_new(ERROR_CONFLICT, "container \"%s\" runs already", name),
			"show its output with \"kedge attach %s\"", name);
	const ForegroundStreams streams = {
		.wants_stdin = given->interactive && value_bool(value_path(container, "Config.OpenStdin"), false),
		.wants_stdout = true,
		.wants_stderr = true,
		.has_terminal = value_bool(value_path(container, "Config.Tty"), false),
		.detach_keys = given->detach_keys,
	};
	TRY(session_check_terminal(streams.has_terminal && streams.wants_stdin, "\"--interactive\""));
	foreground_init(&foreground, cli, id ? id : name);
	TRY(foreground_attach(&foreground, &streams));
	TRY(foreground_wait(&foreground, removes ? "removed" : "next-exit"));
	TRY(foreground_proxy_signals(&foreground, true));
	TRY(start_container(cli, foreground.id));
	foreground_started(&foreground);
	return foreground_run(&foreground, &cli->status);
}

static fallible run(Cli *cli, const void *opts, const StringList *arguments)
{
	const StartOptions *given = opts;

	if (!given->attach && !given->interactive)
		return cli_each(cli, arguments, start_one, opts, true);
	if (arguments->count > 1)
		return error_new(ERROR_INVALID, "option \"--%s\" takes one container, not %zu",
			given->attach ? "attach" : "interactive", arguments->count);
	return start_attached(cli, given, arguments->items[0]);
}

static const char *const aliases[] = {"container start", NULL};

const Command start_command = {
	.name = "start",
	.aliases = aliases,
	.usage = "[OPTIONS] CONTAINER [CONTAINER...]",
	.summary = "Start containers that do not run",
	.options = options,
	.options_size = sizeof(StartOptions),
	.arguments_min = 1,
	.arguments_max = ANY_ARGUMENTS,
	.arguments = "container",
	.run = run,
};

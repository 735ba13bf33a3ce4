// SPDX-License-Identifier: Apache-2.0
#include "cli/api.h"
#include "cli/commands.h"
#include "cli/foreground.h"

typedef struct AttachOptions {
	bool help, no_stdin, sig_proxy;
} AttachOptions;

static const AttachOptions defaults = {.sig_proxy = true};

static const Option options[] = {
	HELP_OPTION(AttachOptions),
	{"no-stdin", 0, OPTION_SWITCH, offsetof(AttachOptions, no_stdin),
		.help = "accepted: input is not attached yet"},
	{"sig-proxy", 0, OPTION_SWITCH, offsetof(AttachOptions, sig_proxy),
		.help = "hand signals on to it (default: true)"},
	{"detach-keys", 0, OPTION_REFUSED, .argument = "KEYS", .help = "stdin and terminals are not there yet"},
	OPTION_END,
};

static fallible run(Cli *cli, const void *opts, const StringList *arguments)
{
	const AttachOptions *given = opts;
	const char *name = arguments->items[0];
	autoclear(Buffer) target = {0};
	autoptr(Value) container = NULL;
	autoclear(Foreground) foreground = {.output = -1, .signals = -1};

	target_path(&target, "/containers/", name, "/json");
	TRY(api_get(cli, &container, buffer_text(&target)));
	if (!value_bool(value_path(container, "State.Running"), false))
		return error_hint(error_new(ERROR_CONFLICT, "container \"%s\" does not run", name),
			"start it with \"kedge start --attach %s\"", name);
	foreground_init(&foreground, cli, name);
	TRY(foreground_attach(&foreground, true, true, value_bool(value_path(container, "Config.Tty"), false)));
	TRY(foreground_wait(&foreground, "not-running"));
	if (given->sig_proxy)
		TRY(foreground_proxy_signals(&foreground));
	return foreground_run(&foreground, &cli->status);
}

static const char *const aliases[] = {"container attach", NULL};

const Command attach_command = {
	.name = "attach",
	.aliases = aliases,
	.usage = "[OPTIONS] CONTAINER",
	.summary = "Show the output of a running container and hand signals on to it",
	.options = options,
	.options_size = sizeof(AttachOptions),
	.defaults = &defaults,
	.arguments_min = 1,
	.arguments_max = 1,
	.arguments = "container-running",
	.run = run,
};

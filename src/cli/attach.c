// SPDX-License-Identifier: Apache-2.0
#include "cli/api.h"
#include "cli/commands.h"
#include "cli/foreground.h"

typedef struct AttachOptions {
	bool help, no_stdin, sig_proxy;
	char *detach_keys;
} AttachOptions;

static const AttachOptions defaults = {.sig_proxy = true};

static const Option options[] = {
	HELP_OPTION(AttachOptions),
	{"no-stdin", 0, OPTION_SWITCH, offsetof(AttachOptions, no_stdin), .help = "keep our input to ourselves"},
	{"sig-proxy", 0, OPTION_SWITCH, offsetof(AttachOptions, sig_proxy),
		.help = "hand signals on to it (default: true)"},
	{"detach-keys", 0, OPTION_STRING, offsetof(AttachOptions, detach_keys), "KEYS",
		"leave it running by these (default: ctrl-p,ctrl-q)"},
	OPTION_END,
};

static fallible run(Cli *cli, const void *opts, const StringList *arguments)
{
	const AttachOptions *given = opts;
	const char *name = arguments->items[0];
	autoclear(Buffer) target = {0};
	autoptr(Value) container = NULL;
	autoclear(Foreground) foreground = {.cli = NULL};

	target_path(&target, "/containers/", name, "/json");
	TRY(api_get(cli, &container, buffer_text(&target)));
	if (!value_bool(value_path(container, "State.Running"), false))
		return error_hint(error_new(ERROR_CONFLICT, "container \"%s\" does not run", name),
			"start it with \"kedge start --attach %s\"", name);
	const ForegroundStreams streams = {
		.wants_stdin = !given->no_stdin && value_bool(value_path(container, "Config.OpenStdin"), false),
		.wants_stdout = true,
		.wants_stderr = true,
		.has_terminal = value_bool(value_path(container, "Config.Tty"), false),
		.detach_keys = given->detach_keys,
	};
	TRY(session_check_terminal(streams.has_terminal && streams.wants_stdin, "it with \"--no-stdin\""));
	foreground_init(&foreground, cli, name);
	TRY(foreground_attach(&foreground, &streams));
	TRY(foreground_wait(&foreground, "not-running"));
	TRY(foreground_proxy_signals(&foreground, given->sig_proxy && !streams.has_terminal));
	foreground_redraw(&foreground);
	return foreground_run(&foreground, &cli->status);
}

static const char *const aliases[] = {"container attach", NULL};

const Command attach_command = {
	.name = "attach",
	.aliases = aliases,
	.usage = "[OPTIONS] CONTAINER",
	.summary = "Attach input, output and signals to a running container",
	.example = "attach web",
	.options = options,
	.options_size = sizeof(AttachOptions),
	.defaults = &defaults,
	.arguments_min = 1,
	.arguments_max = 1,
	.arguments = "container-running",
	.run = run,
};

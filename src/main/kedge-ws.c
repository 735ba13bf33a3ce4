// SPDX-License-Identifier: Apache-2.0
/* kedge-ws: one client's websocket, before a container's shim. */
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/files.h"
#include "base/log.h"
#include "base/options.h"
#include "websocket/carrier.h"
#include "websocket/jail.h"
#include "websocket/relay.h"

enum { EARLY_MAX = 1 << 20, HELP_WIDTH = 100 };

typedef struct WsOptions {
	char *user;
	bool text, no_input, help, version;
} WsOptions;

#define SWITCH(option_name, member, text)                                                                              \
	{                                                                                                              \
		.name = option_name, .kind = OPTION_SWITCH, .offset = offsetof(WsOptions, member), .help = text        \
	}

static const Option options_table[] = {
	{.name = "user",
		.kind = OPTION_STRING,
		.offset = offsetof(WsOptions, user),
		.argument = "NAME",
		.help = "whom to become (nobody)"},
	SWITCH("text", text, "say what comes from descriptor 4 in text messages, not in binary ones"),
	SWITCH("no-input", no_input, "drop what the client says"),
	SWITCH("help", help, "show this"),
	SWITCH("version", version, "print the version"),
	OPTION_END,
};

static int help(void)
{
	autoclear(Buffer) text = {0};

	buffer_add_text(&text,
		"Usage: kedge-ws [OPTION...]\n\nCarries a client's websocket (descriptor 3) to a container (descriptor "
		"4). kedged starts it; it is of no use without it.\n\n");
	options_help(options_table, &text, HELP_WIDTH);
	fputs(buffer_text(&text), stdout);
	return 0;
}

static fallible check_sockets(void)
{
	struct stat status;

	for (int fd = WEBSOCKET_CLIENT_FD; fd <= WEBSOCKET_PLAIN_FD; fd++)
		if (fstat(fd, &status) < 0 || !S_ISSOCK(status.st_mode))
			return error_hint(error_new(ERROR_INVALID, "descriptor %d is no socket", fd),
				"kedge-ws is started by kedged");
	return NULL;
}

static fallible serve(const WsOptions *options)
{
	autofree char *early = NULL;
	RelaySides sides = {.client = WEBSOCKET_CLIENT_FD,
		.plain = WEBSOCKET_PLAIN_FD,
		.is_text = options->text,
		.takes_input = !options->no_input};

	TRY(check_sockets());
	TRY(file_read_fd(&early, &sides.early_length, STDIN_FILENO, "standard input", EARLY_MAX));
	sides.early = early;
	TRY_WRAP(websocket_jail_enter(options->user ? options->user : "nobody"), "could not enter the jail");
	return relay_run(&sides);
}

static int fail(Error *error)
{
	log_error("%s", error_message(error));
	error_free(error);
	return 1;
}

static int run(const WsOptions *options)
{
	if (options->help)
		return help();
	if (options->version)
		return puts("kedge-ws " KEDGE_VERSION) < 0;
	Error *error = serve(options);
	return error ? fail(error) : 0;
}

int main(int argc, char **argv)
{
	WsOptions options = {0};
	autoclear(StringList) arguments = {0};
	Error *error = options_parse(options_table, &options, argc - 1, argv + 1, 0, &arguments);
	int status;

	log_set_name("kedge-ws");
	if (!error && arguments.count)
		error = error_new(ERROR_INVALID, "argument \"%s\" is not expected", arguments.items[0]);
	status = error ? fail(error) : run(&options);
	options_clear(options_table, &options);
	fflush(stdout);
	/* At once: handlers that libraries leave for the end of a program have no business in the jail. */
	_exit(status);
}

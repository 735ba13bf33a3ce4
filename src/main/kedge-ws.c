// SPDX-License-Identifier: Apache-2.0
/* kedge-ws: one client's websocket, before a container's shim. */
#include <stddef.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/files.h"
#include "main/jailed.h"
#include "websocket/carrier.h"
#include "websocket/jail.h"
#include "websocket/relay.h"

enum { EARLY_MAX = 1 << 20 };

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

static const char usage[] =
	"Usage: kedge-ws [OPTION...]\n\nCarries a client's websocket (descriptor 3) to a container (descriptor "
	"4). kedged starts it; it is of no use without it.\n\n";

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

static int run(const void *arg)
{
	const WsOptions *options = arg;
	if (options->help)
		return jailed_help(options_table, usage);
	if (options->version)
		return puts("kedge-ws " KEDGE_VERSION) < 0;
	Error *error = serve(options);
	return error ? jailed_fail(error) : 0;
}

int main(int argc, char **argv)
{
	WsOptions options = {0};

	jailed_main("kedge-ws", options_table, &options, run, argc, argv);
}

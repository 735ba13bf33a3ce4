// SPDX-License-Identifier: Apache-2.0
/* kedge-log: sends the logs of containers whose log driver has them sent. */
#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/inotify.h>
#include <time.h>

#include "main/jailed.h"
#include "telemetry/jail.h"
#include "telemetry/protocol.h"
#include "telemetry/server.h"

typedef struct LogOptions {
	char *socket, *user;
	bool help, version;
} LogOptions;

#define TEXT(option_name, member, option_argument, text)                                                               \
	{                                                                                                              \
		.name = option_name, .kind = OPTION_STRING, .offset = offsetof(LogOptions, member),                    \
		.argument = option_argument, .help = text                                                              \
	}
#define SWITCH(option_name, member, text)                                                                              \
	{                                                                                                              \
		.name = option_name, .kind = OPTION_SWITCH, .offset = offsetof(LogOptions, member), .help = text       \
	}

static const Option options_table[] = {
	TEXT("socket", socket, "PATH", "where kedged says which logs there are to be sent"),
	TEXT("user", user, "NAME", "whom to become (nobody)"),
	SWITCH("help", help, "show this"),
	SWITCH("version", version, "print the version"),
	OPTION_END,
};

static const char usage[] =
	"Usage: kedge-log --socket PATH [OPTION...]\n\nSends the logs of containers to the receivers that their log "
	"drivers name. kedged starts it; it is of no use without it.\n\n";

/* What takes rights, or files that the jail hides, comes first: the time zone, too. */
static fallible serve(const LogOptions *options)
{
	LogServerOptions server_options = {.notifier = -1};
	autoptr(Loop) loop = NULL;
	autoptr(LogServer) server = NULL;

	if (!options->socket)
		return error_hint(
			error_new(ERROR_INVALID, "\"--socket\" is missing"), "kedge-log is started by kedged");
	TRY(attendant_listen(&server_options.sockets, "kedge-log", options->socket));
	server_options.notifier = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	if (server_options.notifier < 0)
		return error_errno(errno, "could not watch for what is logged");
	tzset();
	TRY(loop_new(&loop));
	TRY_WRAP(log_jail_enter(options->user ? options->user : "nobody"), "could not enter the jail");
	TRY(log_server_new(&server, loop, &server_options));
	return loop_run(loop);
}

static int run(const void *arg)
{
	const LogOptions *options = arg;

	signal(SIGPIPE, SIG_IGN);
	if (options->help)
		return jailed_help(options_table, usage);
	if (options->version)
		return puts("kedge-log " KEDGE_VERSION) < 0;
	Error *error = serve(options);
	return error ? jailed_fail(error) : 0;
}

int main(int argc, char **argv)
{
	LogOptions options = {0};

	jailed_main("kedge-log", options_table, &options, run, argc, argv);
}

// SPDX-License-Identifier: Apache-2.0
/* kedge-fetch: one pull from or push to a registry, in a jail. kedged starts it and speaks with it over descriptor 3
 * (fetch/wire.h). */
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/memory.h"
#include "base/options.h"
#include "fetch/hash.h"
#include "fetch/helper.h"
#include "fetch/registry/http.h"
#include "fetch/registry/jail.h"
#include "fetch/registry/session.h"
#include "fetch/registry/trust.h"

typedef struct FetchOptions {
	char *user;
	bool help, version;
} FetchOptions;

static const Option options_table[] = {
	{.name = "user",
		.kind = OPTION_STRING,
		.offset = offsetof(FetchOptions, user),
		.argument = "USER",
		.help = "become this user before anything is received (default: nobody)"},
	{.name = "help",
		.letter = 'h',
		.kind = OPTION_SWITCH,
		.offset = offsetof(FetchOptions, help),
		.help = "show this text"},
	{.name = "version",
		.kind = OPTION_SWITCH,
		.offset = offsetof(FetchOptions, version),
		.help = "show the version"},
	OPTION_END,
};

static const char introduction[] = "Usage: kedge-fetch [--user USER]\n"
				   "\n"
				   "Pulls from and pushes to one registry, in a jail, with every digest verified. "
				   "kedged starts one for each pull, push and login, and\n"
				   "talks to it over descriptor 3; it is of no use without that.\n"
				   "\n"
				   "Options:\n";

static int help(void)
{
	autoclear(Buffer) text = {0};

	buffer_add_text(&text, introduction);
	options_help(options_table, &text, 80);
	fputs(buffer_text(&text), stdout);
	return 0;
}

static fallible check_channel(void)
{
	struct stat status;

	if (fstat(HELPER_CHANNEL_FD, &status) == 0 && S_ISSOCK(status.st_mode))
		return NULL;
	return error_hint(error_new(ERROR_INVALID, "descriptor %d is no socket", HELPER_CHANNEL_FD),
		"kedge-fetch is started by kedged; to pull an image by hand, use \"kedge pull\"");
}

/* All configuration is read before the jail is entered; all that comes from outside is read within. */
static fallible serve(const FetchOptions *options)
{
	autoptr(Trust) trust = NULL;
	autoptr(Loop) loop = NULL;

	TRY(check_channel());
	signal(SIGPIPE, SIG_IGN); /* a registry that hangs up is an error, no end */
	http_prepare();
	hash_prepare();
	trust = trust_open();
	TRY(loop_new(&loop));
	TRY_WRAP(fetch_jail_enter(options->user ? options->user : "nobody"), "could not enter the jail");
	return session_run(loop, HELPER_CHANNEL_FD, trust);
}

static int fail(Error *error)
{
	if (error_hint_text(error))
		log_error("%s (%s)", error_message(error), error_hint_text(error));
	else
		log_error("%s", error_message(error));
	error_free(error);
	return 1;
}

static int run(int argc, char **argv)
{
	FetchOptions options = {0};
	autoclear(StringList) arguments = {0};

	Error *error = options_parse(options_table, &options, argc - 1, argv + 1, 0, &arguments);
	if (error)
		return fail(error);
	if (arguments.count)
		return fail(error_new(ERROR_INVALID, "argument \"%s\" is not expected", arguments.items[0]));
	if (options.help)
		return help();
	if (options.version)
		return puts("kedge-fetch " KEDGE_VERSION) < 0;
	error = serve(&options);
	return error ? fail(error) : 0;
}

int main(int argc, char **argv)
{
	log_set_name("kedge-fetch");
	int status = run(argc, argv);
	fflush(stdout);
	/* At once: handlers that libraries leave for the end of a program have no business in the jail. */
	_exit(status);
}

// SPDX-License-Identifier: Apache-2.0
/* kedge-fetch: one pull from or push to a registry, in a jail. kedged starts it and speaks with it over descriptor 3
 * (fetch/wire.h). */
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "base/loop.h"
#include "fetch/hash.h"
#include "fetch/helper.h"
#include "fetch/registry/http.h"
#include "fetch/registry/jail.h"
#include "fetch/registry/session.h"
#include "fetch/registry/trust.h"
#include "main/jailed.h"

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

static const char usage[] = "Usage: kedge-fetch [--user USER]\n"
			    "\n"
			    "Pulls from and pushes to one registry, in a jail, with every digest verified. "
			    "kedged starts one for each pull, push and login, and\n"
			    "talks to it over descriptor 3; it is of no use without that.\n"
			    "\n"
			    "Options:\n";

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

static int run(const void *arg)
{
	const FetchOptions *options = arg;

	if (options->help)
		return jailed_help(options_table, usage);
	if (options->version)
		return puts("kedge-fetch " KEDGE_VERSION) < 0;
	Error *error = serve(options);
	return error ? jailed_fail(error) : 0;
}

int main(int argc, char **argv)
{
	FetchOptions options = {0};

	jailed_main("kedge-fetch", options_table, &options, run, argc, argv);
}

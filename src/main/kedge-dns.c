// SPDX-License-Identifier: Apache-2.0
/* kedge-dns: the names of containers, answered in their network namespaces. */
#include <signal.h>
#include <stddef.h>
#include <stdio.h>

#include "dns/jail.h"
#include "dns/protocol.h"
#include "dns/server.h"
#include "main/jailed.h"

typedef struct DnsOptions {
	char *socket, *resolv_conf, *user;
	bool help, version;
} DnsOptions;

#define TEXT(option_name, member, option_argument, text)                                                               \
	{                                                                                                              \
		.name = option_name, .kind = OPTION_STRING, .offset = offsetof(DnsOptions, member),                    \
		.argument = option_argument, .help = text                                                              \
	}
#define SWITCH(option_name, member, text)                                                                              \
	{                                                                                                              \
		.name = option_name, .kind = OPTION_SWITCH, .offset = offsetof(DnsOptions, member), .help = text       \
	}

static const Option options_table[] = {
	TEXT("socket", socket, "PATH", "where kedged says what there is to answer"),
	TEXT("resolv-conf", resolv_conf, "FILE", "names the servers for outside names (/etc/resolv.conf)"),
	TEXT("user", user, "NAME", "whom to become (nobody)"),
	SWITCH("help", help, "show this"),
	SWITCH("version", version, "print the version"),
	OPTION_END,
};

static const char usage[] =
	"Usage: kedge-dns --socket PATH [OPTION...]\n\nAnswers containers' questions for names. kedged "
	"starts it; it is of no use without it.\n\n";

static fallible serve(const DnsOptions *options)
{
	DnsServerOptions server_options = {
		.resolv_conf = options->resolv_conf ? options->resolv_conf : "/etc/resolv.conf"};
	autoptr(Loop) loop = NULL;
	autoptr(DnsServer) server = NULL;

	if (!options->socket)
		return error_hint(
			error_new(ERROR_INVALID, "\"--socket\" is missing"), "kedge-dns is started by kedged");
	TRY(attendant_listen(&server_options.sockets, "kedge-dns", options->socket));
	TRY(loop_new(&loop));
	TRY_WRAP(dns_jail_enter(options->user ? options->user : "nobody"), "could not enter the jail");
	TRY(dns_server_new(&server, loop, &server_options));
	return loop_run(loop);
}

static int run(const void *arg)
{
	const DnsOptions *options = arg;

	signal(SIGPIPE, SIG_IGN);
	if (options->help)
		return jailed_help(options_table, usage);
	if (options->version)
		return puts("kedge-dns " KEDGE_VERSION) < 0;
	Error *error = serve(options);
	return error ? jailed_fail(error) : 0;
}

int main(int argc, char **argv)
{
	DnsOptions options = {0};

	jailed_main("kedge-dns", options_table, &options, run, argc, argv);
}

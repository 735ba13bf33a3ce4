// SPDX-License-Identifier: Apache-2.0
/* kedge-tls: TLS for the API, before kedged and behind kedge. Neither of them links a TLS library. */
#include <fcntl.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/files.h"
#include "base/loop.h"
#include "main/jailed.h"
#include "tls/client.h"
#include "tls/config.h"
#include "tls/connect.h"
#include "tls/context.h"
#include "tls/jail.h"
#include "tls/server.h"
#include "tls/talk.h"

enum { OTHER_FDS = 256 }; /* handshakes, listening sockets, certificates */

typedef struct TlsOptions {
	char *user, *connect, *ca, *cert, *key, *crl;
	int64_t serve, connections;
	bool guests, check, help, version;
} TlsOptions;

#define TEXT(option_name, member, option_argument, text)                                                               \
	{                                                                                                              \
		.name = option_name, .kind = OPTION_STRING, .offset = offsetof(TlsOptions, member),                    \
		.argument = option_argument, .help = text                                                              \
	}
#define SWITCH(option_name, member, text)                                                                              \
	{                                                                                                              \
		.name = option_name, .kind = OPTION_SWITCH, .offset = offsetof(TlsOptions, member), .help = text       \
	}

static const Option options_table[] = {
	{.name = "serve",
		.kind = OPTION_INT,
		.offset = offsetof(TlsOptions, serve),
		.argument = "COUNT",
		.help = "as kedged starts it: so many listening sockets, from descriptor 6 on",
		.min = 1,
		.max = TLS_ADDRESSES_MAX},
	{.name = "connections",
		.kind = OPTION_INT,
		.offset = offsetof(TlsOptions, connections),
		.argument = "COUNT",
		.help = "so many clients at a time (256)",
		.min = 1,
		.max = TLS_CONNECTIONS_MAX},
	SWITCH("guests", guests, "let in who has no certificate, to a socket of its own"),
	TEXT("user", user, "NAME", "whom to become (nobody)"),
	TEXT("connect", connect, "HOST:PORT", "as kedge starts it: speak TLS to this kedged for descriptor 3"),
	SWITCH("check", check, "say what is wrong with the certificates, end"),
	TEXT("ca", ca, "FILE", "certificates of those who vouch for the other side"),
	TEXT("cert", cert, "FILE", "own certificate, with its chain"),
	TEXT("key", key, "FILE", "its private key"),
	TEXT("crl", crl, "FILE", "certificates that are revoked"),
	SWITCH("help", help, "show this"),
	SWITCH("version", version, "print the version"),
	OPTION_END,
};

static const char usage[] =
	"Usage: kedge-tls [OPTION...]\n\nCarries the API over TLS. kedged and kedge start it; it is of no "
	"use without them.\n\n";

/* ---- certificates from files ---- */

static fallible read_pems(Pem pems[PEM_COUNT], const TlsOptions *options)
{
	const char *paths[PEM_COUNT] = {
		[PEM_CA] = options->ca, [PEM_CERT] = options->cert, [PEM_KEY] = options->key, [PEM_CRL] = options->crl};

	for (size_t i = 0; i < PEM_COUNT; i++) {
		pems[i].name = paths[i];
		if (paths[i])
			TRY(file_read(&pems[i].text, &pems[i].length, AT_FDCWD, paths[i], PEM_MAX));
	}
	return NULL;
}

static fallible check(const TlsOptions *options)
{
	Pem pems[PEM_COUNT] = {0};
	autoptr(TlsContext) context = NULL;
	Error *error = options->ca && options->cert && options->key
			       ? read_pems(pems, options)
			       : error_new(ERROR_INVALID, "\"--check\" needs \"--ca\", \"--cert\" and \"--key\"");

	if (!error)
		error = context_new_server(&context, pems, false);
	pems_clear(pems);
	return error;
}

/* ---- the client's side ---- */

/* kedge tells it, when it wants to know. */
static void tell(Error *take_error)
{
	const char *text = error_message(take_error);

	(void)!write(TLS_STATUS_FD, text, strlen(text));
	error_free(take_error);
}

static int run_client(const TlsOptions *options)
{
	Pem pems[PEM_COUNT] = {0};
	Error *error = read_pems(pems, options);

	if (!error)
		error = tls_client_run(options->connect, pems, TLS_PLAIN_FD);
	pems_clear(pems);
	if (!error)
		return 0;
	tell(error);
	return 1;
}

/* ---- the server's side ---- */

static fallible check_sockets(int64_t listeners)
{
	struct stat status;

	for (int fd = TLS_CONTROL_FD; fd < TLS_LISTENER_FD + listeners; fd++)
		if (fd != TLS_ROOT_FD && (fstat(fd, &status) < 0 || !S_ISSOCK(status.st_mode)))
			return error_hint(error_new(ERROR_INVALID, "descriptor %d is no socket", fd),
				"kedge-tls is started by kedged");
	return NULL;
}

static fallible serve(const TlsOptions *options)
{
	int listeners[TLS_ADDRESSES_MAX];
	TlsServerOptions server_options = {.control = TLS_CONTROL_FD,
		.takeover = TLS_TAKEOVER_FD,
		.listeners = listeners,
		.listener_count = (size_t)options->serve,
		.connections_max = (size_t)options->connections,
		.has_guests = options->guests};
	autoptr(Loop) loop = NULL;
	autoptr(TlsServer) server = NULL;

	TRY(check_sockets(options->serve));
	for (int i = 0; i < options->serve; i++)
		listeners[i] = TLS_LISTENER_FD + i;
	OPENSSL_init_ssl(0, NULL);
	TRY(loop_new(&loop));
	TRY_WRAP(tls_jail_enter(options->user ? options->user : "nobody", TLS_ROOT_FD,
			 2 * server_options.connections_max + OTHER_FDS),
		"could not enter the jail");
	close(TLS_ROOT_FD);
	TRY(tls_server_new(&server, loop, &server_options));
	return loop_run(loop);
}

/* What is checked is told to whoever reads it, without a log's head. */
static int complain(Error *error)
{
	fprintf(stderr, "%s\n", error_message(error));
	error_free(error);
	return 1;
}

static int run(const void *arg)
{
	const TlsOptions *options = arg;
	Error *error;

	signal(SIGPIPE, SIG_IGN);
	if (options->help)
		return jailed_help(options_table, usage);
	if (options->version)
		return puts("kedge-tls " KEDGE_VERSION) < 0;
	if (options->connect)
		return run_client(options);
	if (options->check)
		return (error = check(options)) ? complain(error) : 0;
	if (options->serve)
		error = serve(options);
	else
		error = error_new(ERROR_INVALID, "nothing is to be done: see \"kedge-tls --help\"");
	return error ? jailed_fail(error) : 0;
}

int main(int argc, char **argv)
{
	TlsOptions options = {.connections = 256};

	jailed_main("kedge-tls", options_table, &options, run, argc, argv);
}

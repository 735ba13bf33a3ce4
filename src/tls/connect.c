// SPDX-License-Identifier: Apache-2.0
#include "tls/connect.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/files.h"
#include "base/memory.h"
#include "base/process.h"
#include "base/strings.h"

/* A relay that still has something to give to a server that does not take it has no reason to tell. */
enum { REASON_MAX = 4096, REASON_LIMIT_MS = 3000 };

void tls_place_clear(TlsPlace *place)
{
	free(place->program);
	free(place->place);
	free(place->ca);
	free(place->cert);
	free(place->key);
	*place = (TlsPlace){0};
}

static void add_option(StringList *argv, const char *name, const char *value)
{
	if (!value)
		return;
	strings_add(argv, name);
	strings_add(argv, value);
}

static fallible spawn(const TlsPlace *place, int plain, int status)
{
	autoclear(StringList) argv = {0};
	ProcessSpec spec = {.path = place->program,
		.fds = {{.from = plain, .to = TLS_PLAIN_FD}, {.from = status, .to = TLS_STATUS_FD}},
		.fd_count = 2,
		.new_session = true}; /* ^C is for who reads the terminal */
	pid_t pid;

	strings_add(&argv, place->program);
	add_option(&argv, "--connect", place->place);
	add_option(&argv, "--ca", place->ca);
	add_option(&argv, "--cert", place->cert);
	add_option(&argv, "--key", place->key);
	spec.argv = (const char *const *)argv.items;
	return process_spawn(&pid, &spec); /* it ends with its socket */
}

fallible tls_connect(int *ret_fd, int *ret_status_fd, const TlsPlace *place)
{
	int sockets[2], status[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets) < 0)
		return error_errno(errno, "could not make a socket pair");
	autofd ours = sockets[0], theirs = sockets[1];
	if (pipe2(status, O_CLOEXEC) < 0)
		return error_errno(errno, "could not make a pipe");
	autofd reads = status[0], writes = status[1];
	TRY(spawn(place, theirs, writes));
	*ret_fd = take_fd(&ours);
	*ret_status_fd = take_fd(&reads);
	return NULL;
}

fallible tls_connect_reason(int take_status_fd, const TlsPlace *place)
{
	autofd fd = take_status_fd;
	autofree char *reason = NULL;
	struct pollfd poll_fd = {.fd = fd, .events = POLLIN};

	if (poll(&poll_fd, 1, REASON_LIMIT_MS) != 1)
		return NULL;
	Error *error = file_read_fd(&reason, NULL, fd, "status", REASON_MAX);

	if (error || string_empty(reason))
		return error;
	return error_new(ERROR_UNAVAILABLE, "cannot reach kedged at \"tcp://%s\": %s", place->place, reason);
}

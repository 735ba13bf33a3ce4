// SPDX-License-Identifier: Apache-2.0
/*
 * Connections from accept to close, for a server that is to be quiet: what a client has sent on a connection that was
 * accepted is answered, whether it had come by then or not.
 */
#include <stdlib.h>
#include <sys/socket.h>

#include "base/log.h"
#include "base/memory.h"
#include "http/internal.h"

HttpConnection *connection_of(struct MHD_Connection *connection)
{
	return MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT)->socket_context;
}

/* ---- being quiet ---- */

/* A new connection's first request is waited for as well: its client cannot know that it is not wanted any more. */
static bool must_wait(const HttpConnection *link)
{
	const HttpStream *stream = link->request ? link->request->stream : NULL;

	return !stream || !stream->may_last;
}

static void call_quiet(void *arg)
{
	HttpServer *server = arg;
	void (*quiet)(void *arg) = take(server->quiet);

	server->quiet_call = source_free(server->quiet_call);
	quiet(server->quiet_arg);
}

static void look_for_quiet(HttpServer *server)
{
	Error *error;

	if (!server->quiet || server->quiet_call)
		return;
	list_each(&server->connections, HttpConnection, in_server, link)
		if (must_wait(link))
			return;
	error = loop_defer(&server->quiet_call, server->loop, call_quiet, server);
	if (error)
		error_log(error, "cannot tell that the HTTP server is quiet");
}

/* What the client sent before is still read and answered; what it sends later fails at once, and it knows that nobody
 * has read it. */
static void stop_reading(const HttpConnection *link)
{
	if (link->was_used && !link->request)
		shutdown(link->fd, SHUT_RD);
}

int http_server_quiesce(HttpServer *server, void (*quiet)(void *arg), void *arg)
{
	int fd = MHD_quiesce_daemon(server->daemon);

	server->quiet = quiet;
	server->quiet_arg = arg;
	list_each(&server->connections, HttpConnection, in_server, link)
		stop_reading(link);
	look_for_quiet(server);
	server_kick(server);
	return fd;
}

/* ---- from accept to close ---- */

void connection_answered(HttpServer *server, HttpConnection *link)
{
	link->request = NULL;
	link->was_used = true;
	if (server->quiet)
		stop_reading(link);
}

static void connection_free(HttpConnection *link)
{
	list_remove(&link->in_server);
	free(link);
}

void connection_notify(
	void *arg, struct MHD_Connection *connection, void **slot, enum MHD_ConnectionNotificationCode code)
{
	HttpServer *server = arg;
	HttpConnection *link = *slot;

	if (code == MHD_CONNECTION_NOTIFY_CLOSED) {
		*slot = NULL;
		connection_free(link);
		look_for_quiet(server);
		return;
	}
	*slot = link = mem_new(HttpConnection);
	link->fd = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
	list_append(&server->connections, &link->in_server);
}

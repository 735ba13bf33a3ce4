// SPDX-License-Identifier: Apache-2.0
/*
 * Connections from accept to close, for a server that gives way to the next program: what a client has sent on a
 * connection that was accepted is answered, whether it had come by then or not.
 *
 * What libmicrohttpd has read of a request that is not whole yet stays in its memory, and it does not tell that there
 * is any: therefore it is given a recv(2) that counts.
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

/* ---- waiting until nobody is to be waited for ---- */

static bool is_carried(const HttpRequest *request)
{
	const HttpStream *stream = request->stream;

	return stream && stream->is_open && !stream->broken && (stream->ended || stream->carry);
}

bool connection_may_be_carried(const HttpConnection *link)
{
	return link->unasked == 0 && (!link->request || is_carried(link->request));
}

/* Half a request is waited for. */
static bool is_quiet(const HttpServer *server)
{
	list_each(&server->connections, HttpConnection, in_server, link)
		if (link->request ? !is_carried(link->request) : link->unasked > 0)
			return false;
	return true;
}

static bool is_drained(const HttpServer *server)
{
	list_each(&server->requests, HttpRequest, in_server, request)
		if (request->drains && !is_carried(request))
			return false;
	return true;
}

static void call_waiter(void *arg)
{
	HttpServerWait *wait = arg;
	void (*call)(void *arg) = take(wait->call);

	wait->deferred = source_free(wait->deferred);
	call(wait->arg);
}

static void look(HttpServer *server, HttpServerWait *wait, bool (*is_over)(const HttpServer *server))
{
	Error *error;

	if (!wait->call || wait->deferred || !is_over(server))
		return;
	error = loop_defer(&wait->deferred, server->loop, call_waiter, wait);
	if (error)
		error_log(error, "cannot tell that all requests were answered");
}

void connections_look(HttpServer *server)
{
	look(server, &server->drained, is_drained);
	look(server, &server->quiet, is_quiet);
}

void http_server_drain(HttpServer *server, void (*drained)(void *arg), void *arg)
{
	server->drained = (HttpServerWait){.call = drained, .arg = arg};
	list_each(&server->requests, HttpRequest, in_server, request)
		request->drains = true;
	connections_look(server);
}

/* What its client sends from now on waits in the socket. */
static void park(HttpConnection *link)
{
	if (!link->connection || link->is_parked || link->request || link->unasked > 0)
		return;
	link->is_parked = true;
	MHD_suspend_connection(link->connection);
}

void connections_park(HttpServer *server)
{
	list_each(&server->connections, HttpConnection, in_server, link)
		park(link);
}

int http_server_quiesce(HttpServer *server, void (*quiet)(void *arg), void *arg)
{
	int fd = MHD_quiesce_daemon(server->daemon);

	server->is_quiet = true;
	server->drained.call = NULL;
	server->drained.deferred = source_free(server->drained.deferred);
	server->quiet = (HttpServerWait){.call = quiet, .arg = arg};
	connections_park(server);
	connections_look(server);
	server_kick(server);
	return fd;
}

/* ---- what was read ---- */

static HttpConnection **by_fd; /* those that libmicrohttpd reads from */
static size_t by_fd_count;

static void set_by_fd(int fd, HttpConnection *link)
{
	while ((size_t)fd >= by_fd_count) {
		by_fd = mem_array(by_fd, by_fd_count + 1, sizeof(*by_fd));
		by_fd[by_fd_count++] = NULL;
	}
	by_fd[fd] = link;
}

ssize_t counting_recv(int fd, void *data, size_t size, int flags) __asm__("recv");

/* In the place of libc's for all of the program, and for libmicrohttpd, which knows no other way. */
ssize_t counting_recv(int fd, void *data, size_t size, int flags)
{
	ssize_t count = recvfrom(fd, data, size, flags, NULL, NULL);

	if (count > 0 && fd >= 0 && (size_t)fd < by_fd_count && by_fd[fd])
		by_fd[fd]->unasked += (size_t)count;
	return count;
}

void connection_asked(HttpConnection *link, size_t length)
{
	link->unasked -= length < link->unasked ? length : link->unasked;
}

/* ---- from accept to close ---- */

void connection_answered(HttpServer *server, HttpConnection *link)
{
	link->request = NULL;
	connections_look(server);
}

HttpConnection *connection_new(HttpServer *server, int fd)
{
	HttpConnection *link = mem_new(HttpConnection);

	link->fd = fd;
	list_append(&server->connections, &link->in_server);
	return link;
}

void connection_free(HttpConnection *link)
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
		set_by_fd(link->fd, NULL);
		connection_free(link);
		connections_look(server);
		return;
	}
	int fd = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
	*slot = link = connection_new(server, fd);
	link->connection = connection;
	set_by_fd(fd, link);
}

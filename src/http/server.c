// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "http/internal.h"

enum {
	IDLE_TIMEOUT_S = 300, /* of a connection on which nothing moves, suspended ones excepted */
	RUNS_AT_ONCE = 8,     /* of libmicrohttpd, before the loop's other sources get their turn */
	WATCH_BATCH = 64,
	MEMORY_INCREMENT = 4096,
};

/* ---- running libmicrohttpd ---- */

static void arm_timer(HttpServer *server, int64_t delay_ns)
{
	int64_t due = clock_monotonic_ns() + delay_ns;

	/* Timeouts mostly move away: a timer that comes early asks again, one that is not touched costs nothing. */
	if (server->timer_due_ns != 0 && server->timer_due_ns <= due)
		return;
	server->timer_due_ns = due;
	source_rearm(server->timer, delay_ns);
}

static void run(HttpServer *server)
{
	MHD_UNSIGNED_LONG_LONG timeout_ms = 0;

	for (int i = 0; i < RUNS_AT_ONCE; i++) {
		MHD_run(server->daemon);
		if (server->is_quiet)
			connections_park(server);
		if (MHD_get_timeout(server->daemon, &timeout_ms) != MHD_YES)
			return;
		if (timeout_ms > 0) {
			arm_timer(server, (int64_t)timeout_ms * NANOS_PER_MILLI);
			return;
		}
	}
	arm_timer(server, 0);
}

static void on_io(void *arg, int fd, unsigned events)
{
	(void)fd, (void)events;
	run(arg);
}

static void on_timer(void *arg)
{
	HttpServer *server = arg;

	server->timer_due_ns = 0;
	run(server);
}

static void on_again(void *arg)
{
	HttpServer *server = arg;

	server->again = source_free(server->again);
	run(server);
}

void server_kick(HttpServer *server)
{
	Error *error = server->again ? NULL : loop_defer(&server->again, server->loop, on_again, server);

	if (error)
		error_log(error, "could not schedule the HTTP server");
}

static void on_watch(void *arg, int fd, unsigned io_events)
{
	struct epoll_event events[WATCH_BATCH];
	int count = epoll_wait(fd, events, WATCH_BATCH, 0);

	(void)arg, (void)io_events;
	for (int i = 0; i < count; i++)
		request_leave(events[i].data.ptr);
}

/* ---- making one ---- */

static void log_message(void *arg, const char *format, va_list args)
{
	autofree char *text = string_vprintf(format, args);

	(void)arg;
	text[strcspn(text, "\n")] = '\0';
	log_debug("http: %s", text);
}

/* Decoding is ours (route.c): libmicrohttpd's own would hide NUL bytes and let "%2F" split a path. */
static size_t keep_escapes(void *arg, struct MHD_Connection *connection, char *text)
{
	(void)arg, (void)connection;
	return strlen(text);
}

static fallible start_daemon(HttpServer *server, int listen_fd)
{
	unsigned flags = MHD_USE_EPOLL | MHD_ALLOW_UPGRADE | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ITC | MHD_USE_ERROR_LOG;

	/* clang-format off */
	server->daemon = MHD_start_daemon(flags, 0, NULL, NULL, request_handle, server,
		MHD_OPTION_EXTERNAL_LOGGER, log_message, NULL,
		MHD_OPTION_LISTEN_SOCKET, listen_fd,
		MHD_OPTION_NOTIFY_COMPLETED, request_completed, server,
		MHD_OPTION_NOTIFY_CONNECTION, connection_notify, server,
		MHD_OPTION_URI_LOG_CALLBACK, request_announced, server,
		MHD_OPTION_UNESCAPE_CALLBACK, keep_escapes, NULL,
		MHD_OPTION_CONNECTION_LIMIT, (unsigned)HTTP_CONNECTIONS_MAX,
		MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)IDLE_TIMEOUT_S,
		MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)HTTP_HEADERS_MAX,
		MHD_OPTION_CONNECTION_MEMORY_INCREMENT, (size_t)MEMORY_INCREMENT,
		MHD_OPTION_END);
	/* clang-format on */
	if (!server->daemon)
		return error_new(ERROR_INTERNAL, "could not start the HTTP server");
	return NULL;
}

static void split_headers(StringMap *ret, const char *const *headers)
{
	for (; headers && *headers; headers++) {
		const char *colon = strchr(*headers, ':');
		autofree char *name = mem_strndup(*headers, colon - *headers);

		map_set(ret, name, colon + 1 + strspn(colon + 1, " "));
	}
}

static fallible watch_sources(HttpServer *server)
{
	const union MHD_DaemonInfo *info = MHD_get_daemon_info(server->daemon, MHD_DAEMON_INFO_EPOLL_FD);

	server->watch_fd = epoll_create1(EPOLL_CLOEXEC);
	if (server->watch_fd < 0)
		return error_errno(errno, "could not make an epoll descriptor");
	TRY(loop_watch(&server->watch, server->loop, server->watch_fd, LOOP_READ, on_watch, server));
	TRY(loop_timer(&server->timer, server->loop, -1, on_timer, server));
	return loop_watch(&server->io, server->loop, info->epoll_fd, LOOP_READ, on_io, server);
}

fallible http_server_new(HttpServer **ret, Loop *loop, int listen_fd, const HttpServerOptions *options)
{
	autofd fd = listen_fd;
	autoptr(HttpServer) server = mem_new(HttpServer);

	server->loop = loop;
	server->options = *options;
	server->watch_fd = -1;
	list_init(&server->requests);
	list_init(&server->connections);
	split_headers(&server->headers, options->headers);
	TRY(start_daemon(server, fd));
	take_fd(&fd);
	TRY(watch_sources(server));
	run(server); /* puts the listening socket into the epoll */
	*ret = take(server);
	return NULL;
}

/* ---- ending one ---- */

static void stop_daemon(HttpServer *server)
{
	/* Stopping with suspended connections is fatal: each is told that its client left, and comes back by that. */
	list_each(&server->requests, HttpRequest, in_server, request)
		request_leave(request);
	if (server->handed_over) /* it would shut down what is not its own any more: it ends with this program */
		return;
	for (int i = 0; i < RUNS_AT_ONCE; i++)
		MHD_run(server->daemon);
	MHD_stop_daemon(server->daemon);
}

HttpServer *http_server_free(HttpServer *server)
{
	if (!server)
		return NULL;
	server->io = source_free(server->io);
	if (server->daemon)
		stop_daemon(server);
	source_free(server->timer);
	source_free(server->again);
	source_free(server->watch);
	source_free(server->drained.deferred);
	source_free(server->quiet.deferred);
	close_fd(&server->watch_fd);
	map_clear(&server->headers);
	free(server);
	return NULL;
}

// SPDX-License-Identifier: Apache-2.0
/* A server with one route for each way of answering: what test_http.py talks to. usage: demo_server SOCKET */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/memory.h"
#include "http/server.h"

enum { STREAM_PIECE = 64 << 10, PENDING_MAX = 1 << 20 };

typedef struct Demo {
	Loop *loop;
	HttpServer *server;
	long gone;    /* clients that left before their answer */
	long handled; /* events of the loop's own: how often the timer of a late answer ran */
} Demo;

/* One for each request that is not answered at once. */
typedef struct Work {
	Demo *demo;
	HttpRequest *request;
	HttpStream *stream;
	Source *timer;
	long left;
	unsigned long long bytes;
	unsigned long sum;
} Work;

static Work *work_new(Demo *demo, HttpRequest *request)
{
	Work *work = mem_new(Work);

	work->demo = demo;
	work->request = request;
	return work;
}

static void work_free(Work *work)
{
	source_free(work->timer);
	free(work);
}

static void on_gone(void *arg)
{
	Work *work = arg;

	work->demo->gone++;
	work_free(work);
}

static void check(Error *error)
{
	if (!error)
		return;
	fprintf(stderr, "demo_server: %s\n", error_message(error));
	exit(1);
}

static long number(HttpRequest *request, const char *name)
{
	const char *text = http_request_query(request, name);

	return text ? atol(text) : 0;
}

static void respond_text(HttpRequest *request, const char *text)
{
	http_respond(request, 200, "text/plain", text, strlen(text));
}

static void ping(HttpRequest *request, void *context)
{
	(void)context;
	respond_text(request, "OK");
}

static void show(HttpRequest *request, void *context)
{
	const char *name = http_request_param(request, "name");
	const char *query = http_request_query(request, "q");
	autofree char *text = string_printf("%s|%s|%s", http_request_method(request), name, query ? query : "-");

	(void)context;
	respond_text(request, text);
}

static void echo(HttpRequest *request, void *context)
{
	size_t length;
	const char *body = http_request_body(request, &length);

	(void)context;
	http_response_header(request, "X-Length", body ? "some" : "none");
	http_respond(request, 200, "application/octet-stream", body, length);
}

static void fail(HttpRequest *request, void *context)
{
	(void)context;
	http_respond_error(
		request, error_hint(error_new(ERROR_CONFLICT, "name \"%s\" is taken", "x\n"), "take another"));
}

static void counts(HttpRequest *request, void *context)
{
	Demo *demo = context;
	autofree char *text = string_printf("%ld", demo->gone);

	respond_text(request, text);
}

/* ---- late ---- */

static void late_due(void *arg)
{
	Work *work = arg;

	respond_text(work->request, "late");
	work_free(work);
}

static void late(HttpRequest *request, void *context)
{
	Work *work = work_new(context, request);

	http_request_on_gone(request, on_gone, work);
	check(loop_timer(&work->timer, work->demo->loop, number(request, "ms") * NANOS_PER_MILLI, late_due, work));
}

/* ---- streams ---- */

static void fill(void *arg)
{
	static const char piece[STREAM_PIECE] = {[0 ... STREAM_PIECE - 1] = 'x'};
	Work *work = arg;

	while (work->left > 0 && http_stream_pending(work->stream) < PENDING_MAX) {
		size_t count = work->left < STREAM_PIECE ? work->left : STREAM_PIECE;
		http_stream_write(work->stream, piece, count);
		work->left -= count;
	}
	if (work->left > 0)
		return;
	http_stream_end(work->stream);
	work_free(work);
}

static void stream(HttpRequest *request, void *context)
{
	Work *work = work_new(context, request);

	http_request_on_gone(request, on_gone, work);
	work->left = number(request, "bytes");
	work->stream = http_respond_stream(request, 200, "application/octet-stream");
	http_stream_on_drain(work->stream, fill, work);
	fill(work);
}

static void tick(void *arg)
{
	Work *work = arg;

	http_stream_write(work->stream, "tick\n", 5);
	if (--work->left > 0) {
		source_rearm(work->timer, 50 * NANOS_PER_MILLI);
		return;
	}
	http_stream_end(work->stream);
	work_free(work);
}

static void ticks(HttpRequest *request, void *context)
{
	Work *work = work_new(context, request);

	http_request_on_gone(request, on_gone, work);
	work->left = number(request, "count");
	work->stream = http_respond_stream(request, 200, "text/plain");
	check(loop_timer(&work->timer, work->demo->loop, number(request, "ms") * NANOS_PER_MILLI, tick, work));
}

/* ---- uploads ---- */

static void upload_data(void *arg, const char *bytes, size_t length)
{
	Work *work = arg;

	work->bytes += length;
	for (size_t i = 0; i < length; i += 4096)
		work->sum += (unsigned char)bytes[i];
}

static void upload_end(void *arg, bool complete)
{
	Work *work = arg;
	autofree char *text = string_printf("%llu", work->bytes);

	if (complete) {
		respond_text(work->request, text);
		work_free(work);
	}
}

static void upload(HttpRequest *request, void *context)
{
	Work *work = work_new(context, request);

	http_request_on_gone(request, on_gone, work);
	http_request_on_body(request, upload_data, upload_end, work);
}

static void refuse(HttpRequest *request, void *context)
{
	(void)context;
	http_respond_error(request, error_new(ERROR_UNSUPPORTED, "uploads are not wanted"));
}

/* ---- hijack: what comes goes back until the client ends its sending, then "bye" ---- */

typedef struct Hijacked {
	Source *io;
	int fd;
} Hijacked;

static void on_hijacked(void *arg, int fd, unsigned events)
{
	Hijacked *hijacked = arg;
	char bytes[4096];
	ssize_t count = recv(fd, bytes, sizeof(bytes), 0);

	(void)events;
	if (count > 0 && send(fd, bytes, count, MSG_NOSIGNAL) == count)
		return;
	send(fd, "bye", 3, MSG_NOSIGNAL);
	source_free(hijacked->io);
	close(fd);
	free(hijacked);
}

static void hijack_ready(void *arg, int fd, const char *early, size_t length)
{
	Demo *demo = arg;
	Hijacked *hijacked;

	if (fd < 0) {
		demo->gone++;
		return;
	}
	hijacked = mem_new(Hijacked);
	hijacked->fd = fd;
	if (length > 0)
		send(fd, early, length, MSG_NOSIGNAL);
	check(loop_watch(&hijacked->io, demo->loop, fd, LOOP_READ, on_hijacked, hijacked));
}

static void hijack(HttpRequest *request, void *context)
{
	http_hijack(request, "application/vnd.docker.raw-stream", hijack_ready, context);
}

/* ---- the program ---- */

static const HttpRoute routes[] = {
	{"GET", "/ping", ping, 0, 0},
	{"GET", "/late", late, 0, 0},
	{"GET", "/stream", stream, 0, 0},
	{"GET", "/ticks", ticks, 0, 0},
	{"GET", "/gone", counts, 0, 0},
	{"GET", "/show/{name}", show, 0, 0},
	{"GET", "/images/{name...}/json", show, 0, 0},
	{"GET", "/fail", fail, 0, 0},
	{"POST", "/echo", echo, 0, 0},
	{"POST", "/small", echo, 0, 1000},
	{"POST", "/upload", upload, HTTP_BODY_STREAM, 0},
	{"POST", "/refuse", refuse, HTTP_BODY_STREAM, 0},
	{"POST", "/hijack", hijack, 0, 0},
	{NULL, NULL, NULL, 0, 0},
};

static void on_end(void *arg)
{
	loop_stop(arg);
}

int main(int argc, char **argv)
{
	static const char *const headers[] = {"Server: demo", NULL};
	Demo demo = {0};
	HttpServerOptions options = {.routes = routes, .headers = headers, .context = &demo};
	Source *terminate = NULL;
	int fd = -1;

	if (argc != 2)
		return 2;
	check(loop_new(&demo.loop));
	check(http_listen_unix(&fd, argv[1], NULL));
	check(http_server_new(&demo.server, demo.loop, fd, &options));
	check(loop_signal(&terminate, demo.loop, SIGTERM, on_end, demo.loop));
	check(loop_run(demo.loop));
	http_server_free(demo.server);
	source_free(terminate);
	loop_free(demo.loop);
	return 0;
}

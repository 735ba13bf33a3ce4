// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * HTTP/1.1 server on a unix socket (libmicrohttpd, seen by this folder alone) driven by our loop: routes are tables,
 * answers may come later, bodies may be streamed both ways, and a connection can be taken over (101). An HttpRequest
 * lives until it was answered and the client is done, or left.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/loop.h"
#include "base/strings.h"

typedef struct HttpServer HttpServer;
typedef struct HttpRequest HttpRequest;
typedef struct HttpStream HttpStream;

typedef void HttpHandler(HttpRequest *request, void *context);

enum {
	HTTP_BODY_STREAM = 1, /* the handler is called after the headers and takes the body by http_request_on_body() */
	HTTP_ROUTE_OWN = 16,  /* flags from here on mean something to the owner of the table alone */
};

typedef struct HttpRoute {
	const char *method; /* "GET"; HEAD is answered by GET's handler */
	const char *path;   /* "/containers/{id}/json"; "{name...}" takes slashes too: "/images/{name...}/json" */
	HttpHandler *handler;
	int flags;
	size_t body_max; /* 0: HTTP_BODY_MAX */
	void *context;   /* its handler's; NULL: the server's */
} HttpRoute;

/* HTTP_HEADERS_MAX: request line, headers and what is read ahead of a body; an idle connection keeps as much memory.
 * Just over 32 KiB, from where on libmicrohttpd maps it, so that it goes back to the system with the connection. */
enum { HTTP_BODY_MAX = 4 << 20, HTTP_HEADERS_MAX = 36 << 10, HTTP_CONNECTIONS_MAX = 4096 };

typedef struct HttpServerOptions {
	const HttpRoute *routes; /* ends with .method = NULL; matched in order */
	/* What the path starts with before a route: "/v1.43" is cut off by the callee and may be kept by it; an Error
	 * is answered. May be NULL. */
	Error *(*rewrite)(void *context, HttpRequest *request, const char **path);
	/* Whether a request is let in, before its body is read: an Error is answered. route is NULL where none was
	 * found. May be NULL. */
	Error *(*admit)(void *context, const HttpRequest *request, const HttpRoute *route);
	const char *const *headers; /* "Name: value" put on every answer; NULL-terminated; may be NULL */
	void *context;              /* of rewrite() and admit(), and of handlers whose route has none */
} HttpServerOptions;

/* listen_fd: a listening socket, owned by the server from now on. */
fallible http_server_new(HttpServer **ret, Loop *loop, int listen_fd, const HttpServerOptions *options);
HttpServer *http_server_free(HttpServer *server);
DEFINE_AUTOPTR(HttpServer, http_server_free)

/* ---- giving way to the next program ---- */
/* drained is called, once, from the loop, when what is being asked now was answered, or can be carried; meanwhile
 * everybody is served. It may never come: the caller sets a limit. */
void http_server_drain(HttpServer *server, void (*drained)(void *arg), void *arg);
/*
 * Stops accepting: the listening socket goes back to the caller, and who connects from now on waits in its queue.
 * Connections that were accepted are answered once more; quiet is called, once, from the loop, when nothing is left to
 * be answered but what can be carried. It may never come, too.
 */
int http_server_quiesce(HttpServer *server, void (*quiet)(void *arg), void *arg);
/*
 * After that, and after the loop has ended: connections with nothing to answer, and streams that can be carried, as a
 * descriptor for the next program's http_server_take_over(), which goes on where this one was, to the byte. All others
 * are cut. -1: nothing could be carried. The server may only be freed after it.
 */
int http_server_hand_over(HttpServer *server);
/* Before it: a connection that was taken over by http_hijack() and waits for something goes along, as if by a POST of
 * that path and query; its handler gets it by http_request_take_socket(). All is lent until http_server_hand_over(). */
void http_server_carry_socket(
	HttpServer *server, const char *path, const StringMap *query, const Buffer *cursor, int fd);
void http_server_take_over(HttpServer *server, int fd); /* fd is the callee's */

/* Binds a unix socket, replacing a stale one: 0660 and the group, or, where that does not exist or is root's, 0600. */
fallible http_listen_unix(int *ret_fd, const char *path, const char *group);
/* One that is not wanted any more, whoever else has it open: who waits at it is refused, and its path goes, unless
 * somebody else listens there by now. */
void http_listen_end(int take_fd);

/* ---- reading the request ---- */
const char *http_request_method(const HttpRequest *request);
const char *http_request_path(const HttpRequest *request);
const char *http_request_param(const HttpRequest *request, const char *name); /* from the route's path; decoded */
const char *http_request_query(const HttpRequest *request, const char *name); /* decoded; NULL when absent */
/* Every value of a parameter that may be given more than once, in order. */
void http_request_query_all(StringList *ret, const HttpRequest *request, const char *name);
/* "1", "true", "yes", ...: anything but "", "0", "no", "false" and "none", as Docker has it */
bool http_request_flag(const HttpRequest *request, const char *name);
const char *http_request_header(const HttpRequest *request, const char *name);
const char *http_request_body(const HttpRequest *request, size_t *ret_length);
void http_request_set_data(HttpRequest *request, void *data); /* rewrite() may leave something for the handler */
void *http_request_data(const HttpRequest *request);
/* HTTP_BODY_STREAM: data as it comes, then end (complete false: the client left). Neither is called after the answer.
 */
void http_request_on_body(HttpRequest *request, void (*data)(void *arg, const char *bytes, size_t length),
	void (*end)(void *arg, bool complete), void *arg);
/* Between pieces: the next one waits in the connection, and the client with it. */
void http_request_pause_body(HttpRequest *request, bool paused);
/* Called once if the client leaves before the answer was finished (also while a stream is open); the request is gone
 * after it. */
void http_request_on_gone(HttpRequest *request, void (*gone)(void *arg), void *arg);

/* ---- answering: exactly one of these, now or later ---- */
void http_respond(HttpRequest *request, int status, const char *content_type, const void *body, size_t length);
void http_respond_buffer(HttpRequest *request, int status, const char *content_type, Buffer *take);
void http_respond_error(HttpRequest *request, Error *take); /* {"message": "..."} with the kind's status; a hint stands
							       behind the message after ": ", and alone in "hint" */
void http_response_header(HttpRequest *request, const char *name, const char *value); /* before answering */
/* Headers are sent at once, the body as it is written, chunked. */
HttpStream *http_respond_stream(HttpRequest *request, int status, const char *content_type);
void http_stream_write(HttpStream *stream, const void *data, size_t length); /* queued; sent as the socket drains */
size_t http_stream_pending(const HttpStream *stream);                        /* queued and not yet sent */
void http_stream_on_drain(
	HttpStream *stream, void (*drain)(void *arg), void *arg); /* each time the queue becomes empty */
void http_stream_end(HttpStream *stream);
void http_stream_break(
	HttpStream *stream); /* closes the connection without an end: the client knows that it lacks something */

/* ---- streams that go on in the next program ---- */
/* Where the handler is, in its own words: what it needs to go on without a gap. */
typedef struct HttpCarry {
	Buffer cursor;
	int fd;         /* goes with it; -1: none. Lent when given, the handler's to take in the next program */
	bool is_socket; /* it was http_server_carry_socket() */
} HttpCarry;

/* carry is called in http_server_hand_over(). The same handler gets the request in the next program, and writes to what
 * http_respond_stream() gives it there. */
void http_stream_on_carry(HttpStream *stream, void (*carry)(void *arg, HttpCarry *ret), void *arg);
/* NULL: a new request. A handler that cannot go on answers as usual: the stream ends. */
HttpCarry *http_request_carried(HttpRequest *request);
/* Of one that is_socket: the caller's, and the request is gone. */
int http_request_take_socket(HttpRequest *request);
/* 101 Switching Protocols (Upgrade: tcp) with the content type given; then ready gets the raw descriptor (owned) and
 * bytes that came early. fd -1: the client left. */
void http_hijack(HttpRequest *request, const char *content_type,
	void (*ready)(void *arg, int fd, const char *early, size_t length), void *arg);
/* The same for a websocket (RFC 6455, Upgrade: websocket): its frames are the caller's. An Error, and nothing answered,
 * when the request is no handshake of one. */
fallible http_hijack_websocket(
	HttpRequest *request, void (*ready)(void *arg, int fd, const char *early, size_t length), void *arg);

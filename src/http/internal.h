// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * What the files of this folder share. server.c runs libmicrohttpd on the loop, request.c takes a request apart and
 * calls its handler, answer.c gives the answer back.
 *
 * A connection that waits for its answer, or for more of it, is suspended: libmicrohttpd does not look at it then, so
 * that its client is watched by an epoll of our own (no events asked for: only that the client closed both directions
 * is told; one that merely ended its own sending still gets its answer).
 */
#include <microhttpd.h>

#include "base/buffer.h"
#include "base/list.h"
#include "http/server.h"

struct HttpServer {
	Loop *loop;
	struct MHD_Daemon *daemon;
	HttpServerOptions options;
	StringMap headers; /* options.headers, taken apart */
	int watch_fd;      /* epoll of the clients that wait */
	Source *io, *timer, *watch;
	Source *again;        /* a run that was asked for by server_kick() */
	int64_t timer_due_ns; /* monotonic; 0: the timer is stopped */
	List requests;
	List connections; /* HttpConnection */
	Source *quiet_call;
	void (*quiet)(void *arg); /* http_server_quiesce() was called, and this was not yet */
	void *quiet_arg;
};

/* A client, from accept to close. */
typedef struct HttpConnection {
	List in_server;
	int fd;               /* libmicrohttpd's */
	HttpRequest *request; /* the one that is being taken or answered */
	bool was_used;        /* a request was answered: the client knows that such a connection may end */
} HttpConnection;

struct HttpStream {
	HttpRequest *request;
	Buffer queue;
	size_t taken; /* bytes at the queue's front that were sent */
	void (*drain)(void *arg);
	void *drain_arg;
	bool ended;
	bool may_last;
	bool broken; /* ended before all was said */
};

struct HttpRequest {
	List in_server;
	HttpServer *server;
	HttpConnection *link;
	struct MHD_Connection *connection;
	const char *method;
	const char *path;        /* as sent, without query */
	const HttpRoute *route;  /* NULL: answered without one */
	StringMap params, query; /* decoded */
	StringList repeated;     /* "key=value": further values of a query parameter */
	Buffer body;
	uint64_t discarded; /* bytes of a body that nobody wants */
	void *data;
	StringMap headers; /* of the answer */

	void (*body_data)(void *arg, const char *bytes, size_t length);
	void (*body_end)(void *arg, bool complete);
	void *body_arg;
	void (*gone)(void *arg);
	void *gone_arg;

	struct MHD_Response *response;
	int status;
	HttpStream *stream;
	void (*hijacked)(void *arg, int fd, const char *early, size_t length);
	void *hijack_arg;

	bool called; /* the handler was */
	bool body_ended;
	bool too_large; /* the body */
	bool suspended;
	bool watched;
	bool answered; /* whole: the handler has nothing more to say */
	bool left;     /* the client */
};

/* server.c: libmicrohttpd looks at resumed connections when it runs next, and does not wake up by itself. */
void server_kick(HttpServer *server);

/* connections.c */
HttpConnection *connection_of(struct MHD_Connection *connection);
void connection_notify(void *server, struct MHD_Connection *connection, void **slot,
	enum MHD_ConnectionNotificationCode code); /* libmicrohttpd's callback */
void connection_answered(HttpServer *server, HttpConnection *link);

/* request.c: libmicrohttpd's callbacks */
enum MHD_Result request_handle(void *server, struct MHD_Connection *connection, const char *url, const char *method,
	const char *version, const char *upload, size_t *upload_size, void **slot);
void request_completed(
	void *server, struct MHD_Connection *connection, void **slot, enum MHD_RequestTerminationCode code);
/* The client closed: tells the handler, and lets libmicrohttpd find out. */
void request_leave(HttpRequest *request);
void request_suspend(HttpRequest *request);
void request_resume(HttpRequest *request);

/* answer.c */
enum MHD_Result answer_queue(HttpRequest *request);
void answer_clear(HttpRequest *request); /* what was prepared and not sent */

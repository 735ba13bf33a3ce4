// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * What the files of this folder share. server.c runs libmicrohttpd on the loop, request.c takes a request apart and
 * calls its handler, answer.c gives the answer back, stream.c one that is written as it comes, carry.c hands
 * connections to the next program and takes them from the one before.
 *
 * A connection that waits for its answer, or for more of it, is suspended: libmicrohttpd does not look at it then, so
 * that its client is watched by an epoll of our own (no events asked for: only that the client closed both directions
 * is told; one that merely ended its own sending still gets its answer).
 */
#include <microhttpd.h>

#include "base/buffer.h"
#include "base/list.h"
#include "http/chunks.h"
#include "http/server.h"

/* Somebody waits until there is nothing left to wait for. */
typedef struct HttpServerWait {
	void (*call)(void *arg); /* NULL: nobody, or it was called */
	void *arg;
	Source *deferred;
} HttpServerWait;

typedef struct Parcel Parcel;

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
	HttpServerWait drained, quiet;
	Parcel *parcel;   /* what goes to the next program, as far as it was packed */
	bool is_quiet;    /* accepts nobody any more */
	bool handed_over; /* libmicrohttpd is not to touch its connections again */
};

/* A client, from accept to close. */
typedef struct HttpConnection {
	List in_server;
	struct MHD_Connection *connection; /* NULL: taken over from another program, and ours */
	int fd;                            /* libmicrohttpd's, if it has one */
	HttpRequest *request;              /* the one that is being taken or answered */
	size_t unasked;                    /* bytes that libmicrohttpd has read of a request that is not whole yet */
	bool is_parked;                    /* suspended until this program ends */
	bool has_long_query;               /* of the request that comes: it was cut off, and is refused */
} HttpConnection;

struct HttpStream {
	HttpRequest *request;
	Chunks chunks;
	Source *turn, *room; /* sends at the end of the loop's turn; waits until the socket takes more */
	void (*drain)(void *arg);
	void *drain_arg;
	void (*carry)(void *arg, HttpCarry *ret);
	void *carry_arg;
	bool is_open; /* the head was sent, the socket is ours */
	bool ended;
	bool broken; /* ended before all was said */
};

struct HttpRequest {
	List in_server;
	HttpServer *server;
	HttpConnection *link;
	struct MHD_Connection *connection; /* NULL: it is gone on with */
	const char *method;
	const char *path;  /* as sent, without query */
	HttpCarry carried; /* of one that is gone on with, as are the texts it owns */
	char *own_method, *own_path;
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
	bool body_paused;
	bool too_large; /* the body */
	bool suspended;
	bool watched;
	bool answered; /* whole: the handler has nothing more to say */
	bool left;     /* the client */
	bool is_old;   /* HTTP/1.0 */
	bool drains;   /* was there when somebody began to wait for all of them */
};

/* server.c: libmicrohttpd looks at resumed connections when it runs next, and does not wake up by itself. */
void server_kick(HttpServer *server);

/* connections.c */
HttpConnection *connection_of(struct MHD_Connection *connection);
void connection_notify(void *server, struct MHD_Connection *connection, void **slot,
	enum MHD_ConnectionNotificationCode code); /* libmicrohttpd's callback */
HttpConnection *connection_new(HttpServer *server, int fd);
void connection_free(HttpConnection *link);
void connection_asked(HttpConnection *link, size_t length); /* so much of what was read belongs to its request */
void connection_answered(HttpServer *server, HttpConnection *link);
bool connection_may_be_carried(const HttpConnection *link);
void connections_look(HttpServer *server); /* is somebody's wait over? */
void connections_park(HttpServer *server); /* those that nobody asks anything on wait for the next program */

/* request.c: libmicrohttpd's callbacks */
void *request_announced(void *server, const char *url, struct MHD_Connection *connection);
enum MHD_Result request_handle(void *server, struct MHD_Connection *connection, const char *url, const char *method,
	const char *version, const char *upload, size_t *upload_size, void **slot);
void request_completed(
	void *server, struct MHD_Connection *connection, void **slot, enum MHD_RequestTerminationCode code);
/* The client closed: tells the handler, and lets libmicrohttpd find out. */
void request_leave(HttpRequest *request);
void request_suspend(HttpRequest *request);
void request_resume(HttpRequest *request);
/* The answer was sent, but for what libmicrohttpd sends itself. */
void request_give_back(HttpRequest *request);
/* Goes on with one that another program took, on a connection of ours; link->fd is all that is told of it. Its method,
 * path, query and carried are to be set, then request_begin_again() calls its handler. */
HttpRequest *request_taken_over(HttpServer *server, HttpConnection *link, const char *method, const char *path);
void request_begin_again(HttpRequest *request);
fallible request_add_query(HttpRequest *request, const char *key, const char *decoded);

/* answer.c */
void answer_prepare(HttpRequest *request, int status, const char *content_type, struct MHD_Response *response);
enum MHD_Result answer_queue(HttpRequest *request);
void answer_clear(HttpRequest *request); /* what was prepared and not sent */
void answer_hijack(HttpRequest *request, const char *protocol,
	void (*ready)(void *arg, int fd, const char *early, size_t length), void *arg);

/* websocket.c */
fallible websocket_check(HttpRequest *request); /* its handshake */
void websocket_accept(Buffer *ret, const char *key);

/* stream.c */
HttpStream *stream_new(HttpRequest *request);
void stream_free(HttpStream *stream);
void stream_stop(HttpStream *stream);   /* its client has left: nobody is told of room any more */
void stream_finish(HttpStream *stream); /* ends with what is coded already */

/* carry.c: a socket goes back to libmicrohttpd. */
void carry_return(HttpServer *server, int fd);

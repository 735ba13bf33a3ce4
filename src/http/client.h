// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Blocking HTTP/1.1 client over one connection, to a unix socket or one that its maker dials, for programs that have
 * nothing else to do than wait: one call at a time, kept alive between calls. Calls that run side by side need a client
 * each. Nothing has a timeout, since the daemon's answer may take as long as a container runs, but the body of a
 * refusal (a status of 400 or more): it has to go on within three seconds.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/cleanup.h"
#include "base/error.h"

typedef struct HttpClient HttpClient;

typedef struct HttpCall {
	const char *method;
	const char *target;         /* path and query, encoded */
	const char *const *headers; /* "Name: value", ends with NULL; NULL: none */
	const char *content_type;   /* of the body */
	const void *body;           /* NULL: none */
	size_t length;
	bool sends_file; /* the body is what file_fd gives until its end, sent in chunks */
	int file_fd;
	void (*sent)(void *arg, int64_t bytes); /* after each chunk of it; NULL: nobody wants to know */
	void *sent_arg;
	bool upgrades; /* asks for the raw connection: http_client_hijack() when the status is 101 */
} HttpCall;

/* How connections are made that are none to a unix socket. status_fd may stay -1; explain() gets it once the connection
 * has broken off, and says why, or gives NULL. */
typedef struct HttpDial {
	Error *(*connect)(const void *arg, int *ret_fd, int *ret_status_fd);
	Error *(*explain)(const void *arg, int take_status_fd);
	const void *arg;
} HttpDial;

/* What to say to who cannot reach the daemon, and to whom it breaks off; each may be NULL. */
typedef struct HttpHints {
	const char *unreachable, *broken;
} HttpHints;

/* Connects with the first call. */
HttpClient *http_client_new(const char *socket_path);
HttpClient *http_client_new_by(const HttpDial *dial);
HttpClient *http_client_free(HttpClient *client);
DEFINE_AUTOPTR(HttpClient, http_client_free)
void http_client_set_hints(HttpClient *client, const HttpHints *hints); /* the texts stay the caller's */

/* Sends the request and reads the answer's head. An error means that there is no answer; any status is an answer. */
fallible http_client_call(HttpClient *client, const HttpCall *call);
int http_client_status(const HttpClient *client);
const char *http_client_header(const HttpClient *client, const char *lower_name); /* NULL when absent */

/* Waits for the next bytes of the body and adds them to out; *ret_end: there are no more. */
fallible http_client_read(HttpClient *client, Buffer *out, bool *ret_end);
/* The rest of the body; out's limit bounds it. */
fallible http_client_read_all(HttpClient *client, Buffer *out);
/* For poll(2) between reads: readable descriptor, or -1 when http_client_read() would not wait. */
int http_client_poll_fd(const HttpClient *client);
/* After a 101: the connection, and the bytes that came with the head. The client connects anew for its next call. */
int http_client_hijack(HttpClient *client, Buffer *early);

// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * An HTTP/1.1 response, read as its bytes come: head into status and headers, body decoded from chunks, a length, or
 * the connection's end. Pure: no I/O. The bytes after a complete response (or after the head of a 101) are left to the
 * caller. Source: RFC 9112.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/strings.h"

enum { HTTP_RESPONSE_LINE_MAX = 16 << 10, HTTP_RESPONSE_HEAD_MAX = 64 << 10, HTTP_RESPONSE_HEADERS_MAX = 128 };

typedef enum HttpResponsePhase {
	HTTP_RESPONSE_STATUS,
	HTTP_RESPONSE_HEADERS,
	HTTP_RESPONSE_BODY,        /* of a known length */
	HTTP_RESPONSE_BODY_TO_END, /* until the connection closes */
	HTTP_RESPONSE_CHUNK_SIZE,
	HTTP_RESPONSE_CHUNK,
	HTTP_RESPONSE_CHUNK_END, /* the line end after a chunk's data */
	HTTP_RESPONSE_TRAILER,
	HTTP_RESPONSE_COMPLETE,
} HttpResponsePhase;

typedef struct HttpResponse {
	int status;
	StringMap headers; /* names in lower case; repeated ones joined by ", " */
	HttpResponsePhase phase;
	bool keep_alive; /* valid once the head is there */

	/* private */
	bool bodiless;
	Buffer line;
	size_t head_length;
	uint64_t remaining;
} HttpResponse;

/* bodiless: it answers a HEAD, whose headers describe a body that does not come. */
void http_response_init(HttpResponse *response, bool bodiless);
void http_response_clear(HttpResponse *response);
DEFINE_AUTOCLEAR(HttpResponse, http_response_clear)

/* Takes bytes, adds decoded body to out; *ret_used < length only when the response is complete. */
fallible http_response_feed(HttpResponse *response, const char *data, size_t length, size_t *ret_used, Buffer *out);
/* The connection was closed: completes a body that lasts until then, and is an error anywhere else. */
fallible http_response_end(HttpResponse *response);
bool http_response_has_head(const HttpResponse *response);
const char *http_response_find(const HttpResponse *response, const char *lower_name); /* NULL when absent */

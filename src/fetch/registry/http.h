// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * HTTP exchanges on a loop, through libcurl (seen by http.c and url.c alone). One Exchange is one request and its
 * answer: no redirects, no authentication, no second tries; those are fetch/registry/registry.h. Everything that the
 * server sends is bounded: header bytes, body bytes, silence.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/loop.h"
#include "base/strings.h"
#include "fetch/access.h"
#include "fetch/registry/trust.h"

typedef struct Http Http;
typedef struct Exchange Exchange;

typedef struct HttpAnswer {
	int status; /* 0: no answer came */
	char *content_type, *location, *digest, *content_range, *retry_after;
	char *range, *chunk_min; /* of uploads: what has arrived, the shortest piece */
	StringList challenges;   /* WWW-Authenticate */
	int64_t content_length;  /* -1: not said */
	Buffer body;             /* what no sink took */
	bool was_sent;           /* the request had left when the exchange failed */
	bool has_no_tls;         /* no connection, or what answered does not speak TLS */
} HttpAnswer;

/* Takes the body of an answer 200 or 206 as it comes; an error ends the exchange. */
typedef Error *HttpSink(void *arg, const HttpAnswer *answer, const void *data, size_t length);
typedef void HttpSent(void *arg, int64_t bytes); /* of the body, so far */
/* Once. Without an error, whatever the status. answer is the exchange's. */
typedef void HttpDone(void *arg, Error *take_error, HttpAnswer *answer);

typedef struct HttpRequest {
	const char *method;
	char *url;
	StringList headers; /* "Name: value" */
	char *body;         /* NULL: none, or from body_fd */
	size_t body_length;
	int body_fd; /* -1: none; read from body_offset on, body_length bytes */
	int64_t body_offset;
	size_t answer_max;  /* bytes of a body that no sink takes; 0: HTTP_ANSWER_MAX */
	int64_t limit_s;    /* for the whole exchange; 0: as long as something moves */
	int64_t patience_s; /* added to the stall timeout: the server has work to do before it answers */
	bool may_identify;  /* the client's certificate may be shown: the registry itself is asked */
	HttpSink *sink;
	HttpSent *sent;
} HttpRequest;

enum { HTTP_ANSWER_MAX = 64 << 10 };

void http_prepare(void); /* process-wide, before the jail */
/* access and trust are borrowed. */
fallible http_new(Http **ret, Loop *loop, const RegistryAccess *access, Trust *trust, int64_t stall_timeout_s);
Http *http_free(Http *http); /* after its exchanges */
DEFINE_AUTOPTR(Http, http_free)

void http_request_clear(HttpRequest *request);
/* request is borrowed until the exchange is freed. done may free the exchange. */
Exchange *exchange_start(Http *http, const HttpRequest *request, HttpDone *done, void *arg);
Exchange *exchange_free(Exchange *exchange); /* cancels; not from a sink */
DEFINE_AUTOPTR(Exchange, exchange_free)

// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * One HTTP/1.1 request to another engine, on a connection of its own, in the loop. Nothing waits: not for the
 * connection, not for the answer. Both are bounded, in bytes and in time. An answer that comes without end (events) is
 * given away as it comes, and lasts until it breaks off.
 *
 * done is called exactly once, from the loop and never from external_call_new(), unless the call was freed before. Its
 * maker frees it, also from its own callbacks.
 */
#include "base/buffer.h"
#include "base/loop.h"
#include "external/address.h"

typedef struct ExternalCall ExternalCall;

/* An error means that there was no answer, or no whole one; any status is an answer. The body is lent. */
typedef void ExternalAnswered(void *arg, Error *take_error, int status, const Buffer *body);

typedef struct ExternalRequest {
	const char *method, *target; /* encoded */
	size_t body_max;             /* of the answer */
	int64_t timeout_ns;          /* for the whole answer, or for the head of one without end */
	/* data is given each piece of a 200's body; NULL: the body is collected for done. With head, which is called
	 * when it begins, the answer is without end. */
	void (*head)(void *arg);
	void (*data)(void *arg, const char *bytes, size_t length);
	ExternalAnswered *done;
	void *arg;
} ExternalRequest;

ExternalCall *external_call_new(Loop *loop, const ExternalAddress *address, const ExternalRequest *request);
ExternalCall *external_call_free(ExternalCall *call); /* whatever is under way is forgotten; NULL is fine */
/* The words of an answer that says no: its "message", else its status. Owned. */
char *external_call_words(int status, const Buffer *body);
fallible external_call_refusal(int status, const Buffer *body); /* an error with these words */

// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * What kedged and kedge-fetch say to each other over a Channel (fetch/channel.h): one JSON object a message, by the
 * field table in wire.c. kedged begins with START and goes on with requests; each is answered as fetch/client.h says.
 * GET and PUT bring a descriptor. Payloads: RESOLVED carries the manifest, the index that led to it if there was one,
 * and the image configuration, or an index alone; PUT_MANIFEST the manifest; FOUND what the registry said. kedged does
 * not trust this side: whatever arrives is checked by the table and by its receiver.
 */
#include <stdint.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "fetch/access.h"
#include "fetch/channel.h"

typedef enum WireType {
	/* kedged asks */
	WIRE_START,
	WIRE_RESOLVE,
	WIRE_GET,
	WIRE_PUT,
	WIRE_PUT_MANIFEST,
	WIRE_LOGIN,
	WIRE_SEARCH,
	/* kedge-fetch answers */
	WIRE_RESOLVED,
	WIRE_PROGRESS,
	WIRE_BLOB_DONE,
	WIRE_BLOB_SKIPPED,
	WIRE_MANIFEST_DONE,
	WIRE_LOGGED_IN,
	WIRE_FOUND,
	WIRE_FAILED,
	WIRE_RETRYING,
	WIRE_TYPES
} WireType;

typedef struct WireError {
	int64_t kind; /* ErrorKind */
	char *message;
	char *hint;
} WireError;

/* Members that a type does not use stay zero and are not sent. */
typedef struct WireMessage {
	int type;
	RegistryAccess *access;  /* START */
	RegistryMirrors mirrors; /* START */
	char *reference;         /* START: in full */
	int64_t retries, retry_interval_ms, parallel, stall_timeout_s;
	char *platform;   /* RESOLVE; absent: what the reference names, be it an index */
	char *digest;     /* of a blob or manifest */
	char *top_digest; /* RESOLVED */
	char *media_type;
	char *from;   /* PUT: a repository of the registry that should have the blob; BLOB_SKIPPED: it was mounted */
	int64_t size; /* of the blob; RESOLVED: of the manifest within the payload */
	int64_t index_size; /* RESOLVED: of the index behind the manifest */
	int64_t bytes;      /* GET: what is there; PROGRESS */
	int64_t attempt, delay_ms;
	char *reason;
	char *term;           /* SEARCH */
	int64_t limit;        /* SEARCH: results wanted */
	char *identity_token; /* LOGGED_IN: in place of the password from now on */
	WireError *error;
} WireMessage;

/* Sends and leaves message as it is. payload may be NULL, fd -1. */
fallible wire_send(Channel *channel, const WireMessage *message, const char *payload, size_t payload_length, int fd);
fallible wire_parse(WireMessage *ret, const char *text, size_t length);
void wire_clear(WireMessage *message); /* wipes secrets */
DEFINE_AUTOCLEAR(WireMessage, wire_clear)

WireError *wire_error_new(const Error *error);
fallible wire_error_take(const WireError *error); /* an Error with the same kind, message and hint */

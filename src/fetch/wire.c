// SPDX-License-Identifier: Apache-2.0
#include "fetch/wire.h"

#include <stddef.h>
#include <string.h>

#include "base/buffer.h"
#include "base/memory.h"
#include "json/writer.h"

enum {
	WIRE_TEXT_MAX = 4096,
	WIRE_PARALLEL_MAX = 64,
	WIRE_RETRIES_MAX = 1000,
	WIRE_RESULTS_MAX = 1000,
	WIRE_TOKEN_MAX = 16 << 10
};

static const char *const type_names[WIRE_TYPES] = {
	[WIRE_START] = "start",
	[WIRE_RESOLVE] = "resolve",
	[WIRE_GET] = "get",
	[WIRE_PUT] = "put",
	[WIRE_PUT_MANIFEST] = "put-manifest",
	[WIRE_LOGIN] = "login",
	[WIRE_SEARCH] = "search",
	[WIRE_RESOLVED] = "resolved",
	[WIRE_PROGRESS] = "progress",
	[WIRE_BLOB_DONE] = "blob-done",
	[WIRE_BLOB_SKIPPED] = "blob-skipped",
	[WIRE_MANIFEST_DONE] = "manifest-done",
	[WIRE_LOGGED_IN] = "logged-in",
	[WIRE_FOUND] = "found",
	[WIRE_FAILED] = "failed",
	[WIRE_RETRYING] = "retrying",
};

static const Field error_fields[] = {
	{.name = "kind",
		.kind = FIELD_INT,
		.offset = offsetof(WireError, kind),
		.min = 0,
		.max = ERROR_KINDS - 1,
		.required = true},
	{.name = "message",
		.kind = FIELD_STRING,
		.offset = offsetof(WireError, message),
		.required = true,
		.max_length = WIRE_TEXT_MAX},
	{.name = "hint",
		.kind = FIELD_STRING,
		.offset = offsetof(WireError, hint),
		.omit_empty = true,
		.max_length = WIRE_TEXT_MAX},
	FIELDS_END,
};

#define TEXT(member)                                                                                                   \
	{                                                                                                              \
		.name = #member, .kind = FIELD_STRING, .offset = offsetof(WireMessage, member), .omit_empty = true,    \
		.max_length = WIRE_TEXT_MAX                                                                            \
	}
#define NUMBER(member, least, most)                                                                                    \
	{                                                                                                              \
		.name = #member, .kind = FIELD_INT, .offset = offsetof(WireMessage, member), .omit_empty = true,       \
		.min = least, .max = most                                                                              \
	}

static const Field message_fields[] = {
	{.name = "type",
		.kind = FIELD_ENUM,
		.offset = offsetof(WireMessage, type),
		.names = type_names,
		.name_count = WIRE_TYPES,
		.required = true},
	{.name = "access",
		.kind = FIELD_OBJECT_OR_NULL,
		.offset = offsetof(WireMessage, access),
		.sub = registry_access_fields,
		.sub_size = sizeof(RegistryAccess),
		.omit_empty = true},
	{.name = "mirrors",
		.kind = FIELD_ARRAY,
		.offset = offsetof(WireMessage, mirrors),
		.sub = registry_access_fields,
		.sub_size = sizeof(RegistryAccess),
		.omit_empty = true,
		.max_count = MIRRORS_MAX},
	TEXT(reference),
	NUMBER(retries, 0, WIRE_RETRIES_MAX),
	NUMBER(retry_interval_ms, 0, INT32_MAX),
	NUMBER(parallel, 0, WIRE_PARALLEL_MAX),
	NUMBER(stall_timeout_s, 0, INT32_MAX),
	TEXT(platform),
	TEXT(digest),
	TEXT(top_digest),
	TEXT(media_type),
	TEXT(from),
	NUMBER(size, 0, INT64_MAX),
	NUMBER(index_size, 0, INT64_MAX),
	NUMBER(bytes, 0, INT64_MAX),
	NUMBER(attempt, 0, INT32_MAX),
	NUMBER(delay_ms, 0, INT32_MAX),
	TEXT(reason),
	TEXT(term),
	NUMBER(limit, 0, WIRE_RESULTS_MAX),
	{.name = "identity_token",
		.kind = FIELD_STRING,
		.offset = offsetof(WireMessage, identity_token),
		.omit_empty = true,
		.max_length = WIRE_TOKEN_MAX},
	{.name = "error",
		.kind = FIELD_OBJECT_OR_NULL,
		.offset = offsetof(WireMessage, error),
		.sub = error_fields,
		.sub_size = sizeof(WireError),
		.omit_empty = true},
	FIELDS_END,
};

Error *wire_send(Channel *channel, const WireMessage *message, const char *payload, size_t payload_length, int fd)
{
	autoclear(Buffer) text = {0};
	Writer writer;

	writer_init(&writer, &text);
	fields_write(message_fields, message, &writer, NULL);
	Error *error = channel_send(channel, buffer_text(&text), text.length, payload, payload_length, fd);
	if (message->type == WIRE_START || message->type == WIRE_LOGGED_IN)
		explicit_bzero(text.data, text.length);
	return error;
}

Error *wire_parse(WireMessage *ret, const char *text, size_t length)
{
	WireMessage message = {0};

	Error *error = fields_read_text(message_fields, &message, "message", text, length, FIELDS_STRICT);
	if (error) {
		wire_clear(&message);
		return error;
	}
	*ret = message;
	return NULL;
}

void wire_clear(WireMessage *message)
{
	if (message->access)
		registry_access_clear(message->access);
	registry_mirrors_clear(&message->mirrors);
	if (message->identity_token)
		explicit_bzero(message->identity_token, strlen(message->identity_token));
	fields_clear(message_fields, message);
}

WireError *wire_error_new(const Error *error)
{
	WireError *copy = mem_new(WireError);

	copy->kind = error_kind(error);
	copy->message = mem_strndup(error_message(error), WIRE_TEXT_MAX);
	copy->hint = error_hint_text(error) ? mem_strndup(error_hint_text(error), WIRE_TEXT_MAX) : NULL;
	return copy;
}

Error *wire_error_take(const WireError *error)
{
	Error *copy = error_new(error->kind, "%s", error->message);

	return error->hint ? error_hint(copy, "%s", error->hint) : copy;
}

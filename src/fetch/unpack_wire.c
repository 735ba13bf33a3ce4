// SPDX-License-Identifier: Apache-2.0
#include <string.h>

#include "base/buffer.h"
#include "fetch/unpack_wire.h"

Error *unpack_wire_send(Channel *channel, const UnpackMessage *message, int fd)
{
	autoclear(Buffer) payload = {0};
	UnpackNumbers numbers = message->numbers;
	const char *first = message->first ? message->first : "", *second = message->second ? message->second : "";

	numbers.version = UNPACK_WIRE_VERSION;
	buffer_add(&payload, first, strlen(first) + 1);
	buffer_add(&payload, second, strlen(second) + 1);
	return channel_send(channel, (const char *)&numbers, sizeof numbers, payload.data, payload.length, fd);
}

/* The text that starts there and the place behind it; NULL when no NUL ends it. */
static const char *next_text(const char **at, const char *end)
{
	const char *text = *at;
	const char *nul = memchr(text, '\0', (size_t)(end - text));

	if (nul)
		*at = nul + 1;
	return nul ? text : NULL;
}

Error *unpack_wire_parse(UnpackMessage *ret, const Frame *frame)
{
	const char *at = frame->payload ? frame->payload : "", *end = at + frame->payload_length;

	if (frame->text_length != sizeof ret->numbers)
		return error_new(ERROR_INVALID, "message of a wrong size");
	memcpy(&ret->numbers, frame->text, sizeof ret->numbers);
	if (ret->numbers.version != UNPACK_WIRE_VERSION || ret->numbers.word < 0 || ret->numbers.word >= UNPACK_WORDS)
		return error_new(ERROR_INVALID, "message of another version");
	ret->first = next_text(&at, end);
	ret->second = ret->first ? next_text(&at, end) : NULL;
	if (!ret->second || at != end)
		return error_new(ERROR_INVALID, "message with broken texts");
	return NULL;
}

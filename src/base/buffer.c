// SPDX-License-Identifier: Apache-2.0
#include "base/buffer.h"

#include <stdio.h>
#include <string.h>

#include "base/memory.h"

enum { BUFFER_FIRST = 64 };

void buffer_init(Buffer *buffer, size_t limit)
{
	*buffer = (Buffer){.limit = limit};
}

void buffer_clear(Buffer *buffer)
{
	free(buffer->data);
	buffer_init(buffer, buffer->limit);
}

static bool fits(const Buffer *buffer, size_t length)
{
	size_t limit = buffer->limit ? buffer->limit : BUFFER_NO_LIMIT;

	return length < BUFFER_NO_LIMIT / 2 && buffer->length <= limit && length <= limit - buffer->length;
}

static void grow(Buffer *buffer, size_t needed)
{
	size_t capacity = buffer->capacity ? buffer->capacity : BUFFER_FIRST;

	while (capacity < needed)
		capacity += capacity / 2;
	buffer->data = mem_realloc(buffer->data, capacity);
	buffer->capacity = capacity;
}

char *buffer_reserve(Buffer *buffer, size_t length)
{
	if (buffer->overflown || !fits(buffer, length)) {
		buffer->overflown = true;
		return NULL;
	}
	if (buffer->capacity < buffer->length + length + 1)
		grow(buffer, buffer->length + length + 1);
	buffer->data[buffer->length] = '\0';
	return buffer->data + buffer->length;
}

void buffer_commit(Buffer *buffer, size_t length)
{
	buffer->length += length;
	buffer->data[buffer->length] = '\0';
}

bool buffer_add(Buffer *buffer, const void *data, size_t length)
{
	char *room = buffer_reserve(buffer, length);

	if (!room)
		return false;
	if (length)
		memcpy(room, data, length);
	buffer_commit(buffer, length);
	return true;
}

bool buffer_add_text(Buffer *buffer, const char *text)
{
	return buffer_add(buffer, text, strlen(text));
}

bool buffer_add_char(Buffer *buffer, char c)
{
	char *room = buffer_reserve(buffer, 1);

	if (!room)
		return false;
	*room = c;
	buffer_commit(buffer, 1);
	return true;
}

bool buffer_add_escaped(Buffer *buffer, const char *text, const char *special)
{
	for (; *text; text++) {
		if (strchr(special, *text))
			buffer_add_char(buffer, '\\');
		buffer_add_char(buffer, *text);
	}
	return !buffer->overflown;
}

void buffer_add_wrapped(Buffer *buffer, const char *text, size_t column, size_t width)
{
	size_t at = column;

	while (*text) {
		size_t length = strcspn(text, " ");
		if (at > column && at + 1 + length > width) {
			buffer_printf(buffer, "\n%*s", (int)column, "");
			at = column;
		} else if (at > column) {
			buffer_add_char(buffer, ' ');
			at++;
		}
		buffer_add(buffer, text, length);
		at += length;
		text += length;
		text += strspn(text, " ");
	}
}

bool buffer_printf(Buffer *buffer, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	bool added = buffer_vprintf(buffer, format, args);
	va_end(args);
	return added;
}

bool buffer_vprintf(Buffer *buffer, const char *format, va_list args)
{
	va_list again;

	va_copy(again, args);
	int length = vsnprintf(NULL, 0, format, again);
	va_end(again);
	char *room = length < 0 ? NULL : buffer_reserve(buffer, (size_t)length);
	if (!room)
		return false;
	vsnprintf(room, (size_t)length + 1, format, args);
	buffer_commit(buffer, (size_t)length);
	return true;
}

void buffer_consume(Buffer *buffer, size_t length)
{
	if (!buffer->data)
		return;
	if (length > buffer->length)
		length = buffer->length;
	memmove(buffer->data, buffer->data + length, buffer->length - length);
	buffer_truncate(buffer, buffer->length - length);
}

void buffer_truncate(Buffer *buffer, size_t length)
{
	if (length > buffer->length || !buffer->data)
		return;
	buffer->length = length;
	buffer->data[length] = '\0';
}

const char *buffer_text(const Buffer *buffer)
{
	return buffer->data ? buffer->data : "";
}

char *buffer_steal(Buffer *buffer)
{
	char *text = buffer->data ? buffer->data : mem_strdup("");

	buffer->data = NULL;
	buffer_clear(buffer);
	return text;
}

bool buffer_overflown(const Buffer *buffer)
{
	return buffer->overflown;
}

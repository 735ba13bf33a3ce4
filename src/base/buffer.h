// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * A growing byte buffer with a limit of its own. Adding beyond the limit does not grow it: the buffer is
 * marked overflown and stays at its length, so that a bound is checked once at the end (buffer_overflown).
 * `data` is always NUL-terminated when not NULL; buffer_text() never gives NULL.
 */
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/cleanup.h"
#include "base/error.h"

#define BUFFER_NO_LIMIT ((size_t)-1)

typedef struct Buffer {
	char *data;
	size_t length;
	size_t capacity;
	size_t limit; /* 0 means no limit */
	bool overflown;
} Buffer;

void buffer_init(Buffer *buffer, size_t limit);
void buffer_clear(Buffer *buffer); /* frees; the buffer may be used again, its limit stays */
DEFINE_AUTOCLEAR(Buffer, buffer_clear)

bool buffer_add(Buffer *buffer, const void *data, size_t length); /* false once overflown */
bool buffer_add_text(Buffer *buffer, const char *text);
bool buffer_add_char(Buffer *buffer, char c);
/* With a backslash before each of the special characters. */
bool buffer_add_escaped(Buffer *buffer, const char *text, const char *special);
#define OVERLAY_SEPARATORS "\\,:" /* in the options of an overlay mount */
/* Broken between words, so that no line is longer than width; the first begins at column, the others are indented by as
 * much. A word that is too long stays whole. */
void buffer_add_wrapped(Buffer *buffer, const char *text, size_t column, size_t width);
bool buffer_printf(Buffer *buffer, const char *format, ...) __attribute__((format(printf, 2, 3)));
bool buffer_vprintf(Buffer *buffer, const char *format, va_list args);
void buffer_consume(Buffer *buffer, size_t length); /* drops bytes from the front */
void buffer_truncate(Buffer *buffer, size_t length);
char *buffer_reserve(Buffer *buffer, size_t length); /* room for length more bytes, NULL over the limit */
void buffer_commit(Buffer *buffer, size_t length);   /* after writing into the reserved room */

const char *buffer_text(const Buffer *buffer);
char *buffer_steal(Buffer *buffer); /* gives the text (never NULL), leaves the buffer empty */
bool buffer_overflown(const Buffer *buffer);

// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Writes JSON straight into a Buffer, without a tree: answers with a thousand containers cost their bytes alone. Commas
 * and nesting are the writer's business. Inside an object pass the key; inside an array and at the top pass NULL.
 * Invalid UTF-8 becomes U+FFFD.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/strings.h"
#include "json/value.h"

typedef struct Writer {
	Buffer *out;
	bool needs_comma;
} Writer;

void writer_init(Writer *writer, Buffer *out);
void write_object(Writer *writer, const char *key);
void write_object_end(Writer *writer);
void write_array(Writer *writer, const char *key);
void write_array_end(Writer *writer);
void write_string(Writer *writer, const char *key, const char *text); /* NULL text writes "" */
void write_string_n(Writer *writer, const char *key, const char *text, size_t length);
void write_string_or_null(Writer *writer, const char *key, const char *text);
void write_stringf(Writer *writer, const char *key, const char *format, ...) __attribute__((format(printf, 3, 4)));
void write_int(Writer *writer, const char *key, int64_t number);
void write_uint(Writer *writer, const char *key, uint64_t number);
void write_double(Writer *writer, const char *key, double number);
void write_bool(Writer *writer, const char *key, bool truth);
void write_null(Writer *writer, const char *key);
void write_strings(Writer *writer, const char *key, const StringList *list); /* [] when empty */
void write_map(Writer *writer, const char *key, const StringMap *map);       /* {} when empty */
void write_value(Writer *writer, const char *key, const Value *value);       /* NULL writes null */
void write_raw(Writer *writer, const char *key, const char *json);           /* trusted, ready-made JSON */
void json_escape(Buffer *out, const char *text, size_t length);              /* the inside of a string literal */

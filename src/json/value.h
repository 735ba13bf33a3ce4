// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * JSON values (jansson, seen by this folder alone): strict parsing with bounds, and read access. Documents that we know
 * the shape of go through field tables (json/fields.h); this is for the rest. A Value from an accessor is borrowed from
 * its parent.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/cleanup.h"
#include "base/error.h"

typedef struct json_t Value;

enum { VALUE_DEPTH_MAX = 32 };

/* Strict: UTF-8, no duplicate keys, no trailing bytes, at most VALUE_DEPTH_MAX deep. Errors name line and column. */
fallible value_parse(Value **ret, const char *text, size_t length);
/* YAML through libyaml (JSON is YAML): anchors are refused, sizes bounded; one document. */
fallible value_parse_yaml(Value **ret, const char *text, size_t length); /* 1 MiB at most */
/* The same for others' documents: anchors, aliases and "<<" are what they stand for, as long as that is not too much. */
fallible value_parse_yaml_aliased(Value **ret, const char *text, size_t length);
fallible value_parse_yaml_long(Value **ret, const char *text, size_t length, size_t max);
Value *value_free(Value *value); /* drops one reference; NULL is fine */
Value *value_ref(Value *value);
Value *value_copy(const Value *value); /* deep */
DEFINE_AUTOPTR(Value, value_free)
void value_write(const Value *value, Buffer *out);      /* compact, keys in their order */
void value_write_yaml(const Value *value, Buffer *out); /* for people; ends with a newline */
/* The JSON document of a file of at most max bytes, compact; errors name the file. */
fallible value_copy_file(Buffer *out, const char *path, size_t max);
bool value_equal(const Value *a, const Value *b);

Value *value_get(const Value *object, const char *key);     /* NULL when absent or not an object */
Value *value_path(const Value *object, const char *dotted); /* "a.b.c" */
Value *value_at(const Value *array, size_t index);
size_t value_count(const Value *array_or_object);                                              /* 0 for others */
bool value_each(const Value *object, size_t *cursor, const char **ret_key, Value **ret_value); /* cursor starts at 0 */
bool value_is_object(const Value *value);
bool value_is_array(const Value *value);
bool value_is_string(const Value *value);
bool value_is_null(const Value *value); /* absent (NULL) too */
bool value_is_number(const Value *value);
bool value_is_bool(const Value *value);
const char *value_string(const Value *value); /* NULL when not a string */
int64_t value_int(const Value *value, int64_t otherwise);
double value_double(const Value *value, double otherwise);
bool value_bool(const Value *value, bool otherwise);
const char *value_kind_name(const Value *value); /* "string", "number", ... for messages */

/* Building, where a writer (json/writer.h) does not fit. */
Value *value_object(void);
Value *value_array(void);
Value *value_new_string(const char *text); /* invalid UTF-8 becomes U+FFFD */
Value *value_new_int(int64_t number);
Value *value_new_bool(bool truth);
void value_set(Value *object, const char *key, Value *take);
void value_remove(Value *object, const char *key); /* absent is fine */
void value_append(Value *array, Value *take);

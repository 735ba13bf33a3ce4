// SPDX-License-Identifier: Apache-2.0
#include "json/value.h"

#include <fcntl.h>
#include <jansson.h>
#include <string.h>

#include "base/files.h"
#include "base/memory.h"
#include "base/strings.h"
#include "json/writer.h"

/* ---- parsing ---- */

typedef struct Scan {
	int depth;
	int line;
	size_t column;
	bool has_nul_escape;
} Scan;

/* Skips a string literal; gives where its closing quote is, or the end of the text. */
static const char *scan_string(Scan *scan, const char *at, const char *end)
{
	for (; at < end && *at != '"'; at++) {
		if (*at != '\\' || at + 1 >= end)
			continue;
		at++;
		if (end - at >= 5 && !memcmp(at, "u0000", 5))
			scan->has_nul_escape = true;
	}
	return at;
}

/* Looks at the nesting before the parser, which recurses, does; false where it is too deep. */
static bool scan_depth(Scan *scan, const char *text, size_t length)
{
	const char *line_start = text, *end = text + length;

	scan->line = 1;
	for (const char *at = text; at < end; at++) {
		if (*at == '"') {
			at = scan_string(scan, at + 1, end);
		} else if (*at == '[' || *at == '{') {
			scan->column = (size_t)(at - line_start) + 1;
			if (++scan->depth > VALUE_DEPTH_MAX)
				return false;
		} else if (*at == ']' || *at == '}') {
			scan->depth--;
		} else if (*at == '\n') {
			scan->line++;
			line_start = at + 1;
		}
	}
	return true;
}

/* Gives the path of the first string that holds a NUL byte, or NULL. */
static char *find_nul(const Value *value, const char *path)
{
	const char *key;
	json_t *member;
	size_t index;
	char *found = NULL;

	if (json_is_string(value) && strlen(json_string_value(value)) != json_string_length(value))
		return mem_strdup(path);
	json_object_foreach((json_t *)value, key, member)
	{
		autofree char *below = string_printf("%s%s%s", path, *path ? "." : "", key);
		if ((found = find_nul(member, below)))
			return found;
	}
	json_array_foreach(value, index, member)
	{
		autofree char *below = string_printf("%s[%zu]", path, index);
		if ((found = find_nul(member, below)))
			return found;
	}
	return NULL;
}

static fallible refuse_nul(const Value *value)
{
	autofree char *path = find_nul(value, "");

	if (!path)
		return NULL;
	if (!*path)
		return error_new(ERROR_INVALID, "text holds a NUL character");
	return error_new(ERROR_INVALID, "field \"%s\" holds a NUL character", path);
}

Error *value_parse(Value **ret, const char *text, size_t length)
{
	Scan scan = {0};
	json_error_t problem;

	if (memchr(text, '\0', length))
		return error_new(ERROR_INVALID, "invalid JSON: text holds a NUL character");
	if (!scan_depth(&scan, text, length))
		return error_new(ERROR_INVALID, "invalid JSON: line %d, column %zu: nested deeper than %d levels",
			scan.line, scan.column, VALUE_DEPTH_MAX);
	autoptr(Value) value =
		json_loadb(text, length, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY | JSON_ALLOW_NUL, &problem);
	if (!value)
		return error_new(ERROR_INVALID, "invalid JSON: line %d, column %d: %s", problem.line, problem.column,
			problem.text);
	if (scan.has_nul_escape)
		TRY(refuse_nul(value));
	*ret = take(value);
	return NULL;
}

/* ---- life ---- */

Value *value_free(Value *value)
{
	json_decref(value);
	return NULL;
}

Value *value_ref(Value *value)
{
	return json_incref(value);
}

Value *value_copy(const Value *value)
{
	return json_deep_copy(value);
}

bool value_equal(const Value *a, const Value *b)
{
	return a == b || json_equal(a, b);
}

/* ---- writing ---- */

static void put(Writer *writer, const char *key, const Value *value);

static void put_object(Writer *writer, const char *key, const Value *value)
{
	const char *name;
	json_t *member;

	write_object(writer, key);
	json_object_foreach((json_t *)value, name, member) put(writer, name, member);
	write_object_end(writer);
}

static void put_array(Writer *writer, const char *key, const Value *value)
{
	size_t index;
	json_t *item;

	write_array(writer, key);
	json_array_foreach(value, index, item) put(writer, NULL, item);
	write_array_end(writer);
}

static void put(Writer *writer, const char *key, const Value *value)
{
	switch (json_typeof(value)) {
	case JSON_OBJECT:
		return put_object(writer, key, value);
	case JSON_ARRAY:
		return put_array(writer, key, value);
	case JSON_STRING:
		return write_string_n(writer, key, json_string_value(value), json_string_length(value));
	case JSON_INTEGER:
		return write_int(writer, key, json_integer_value(value));
	case JSON_REAL:
		return write_double(writer, key, json_real_value(value));
	case JSON_TRUE:
	case JSON_FALSE:
		return write_bool(writer, key, json_is_true(value));
	case JSON_NULL:
		return write_null(writer, key);
	}
}

void value_write(const Value *value, Buffer *out)
{
	Writer writer;

	writer_init(&writer, out);
	put(&writer, NULL, value);
}

fallible value_copy_file(Buffer *out, const char *path, size_t max)
{
	autofree char *text = NULL;
	autoptr(Value) value = NULL;
	size_t length;

	TRY(file_read(&text, &length, AT_FDCWD, path, max));
	TRY_WRAP(value_parse(&value, text, length), "file \"%s\"", path);
	value_write(value, out);
	return NULL;
}

/* ---- reading ---- */

Value *value_get(const Value *object, const char *key)
{
	return json_object_get(object, key);
}

Value *value_path(const Value *object, const char *dotted)
{
	autoclear(StringList) keys = {0};
	const Value *value = object;

	strings_split(&keys, dotted, '.');
	for (size_t i = 0; i < keys.count && value; i++)
		value = value_get(value, keys.items[i]);
	return (Value *)value;
}

Value *value_at(const Value *array, size_t index)
{
	return json_array_get(array, index);
}

size_t value_count(const Value *array_or_object)
{
	return json_is_array(array_or_object) ? json_array_size(array_or_object) : json_object_size(array_or_object);
}

/* The cursor is the iterator's address, 1 at the end: jansson finds the next member from the last in one step. */
bool value_each(const Value *object, size_t *cursor, const char **ret_key, Value **ret_value)
{
	void *at = *cursor ? (void *)(uintptr_t)*cursor : json_object_iter((json_t *)object);

	if (!at || *cursor == 1)
		return false;
	if (ret_key)
		*ret_key = json_object_iter_key(at);
	if (ret_value)
		*ret_value = json_object_iter_value(at);
	void *next = json_object_iter_next((json_t *)object, at);
	*cursor = next ? (size_t)(uintptr_t)next : 1;
	return true;
}

bool value_is_object(const Value *value)
{
	return json_is_object(value);
}

bool value_is_array(const Value *value)
{
	return json_is_array(value);
}

bool value_is_string(const Value *value)
{
	return json_is_string(value);
}

bool value_is_null(const Value *value)
{
	return !value || json_is_null(value);
}

bool value_is_number(const Value *value)
{
	return json_is_number(value);
}

bool value_is_bool(const Value *value)
{
	return json_is_boolean(value);
}

const char *value_string(const Value *value)
{
	return json_string_value(value);
}

int64_t value_int(const Value *value, int64_t otherwise)
{
	return json_is_integer(value) ? json_integer_value(value) : otherwise;
}

double value_double(const Value *value, double otherwise)
{
	return json_is_number(value) ? json_number_value(value) : otherwise;
}

bool value_bool(const Value *value, bool otherwise)
{
	return json_is_boolean(value) ? json_is_true(value) : otherwise;
}

const char *value_kind_name(const Value *value)
{
	static const char *const names[] = {
		[JSON_OBJECT] = "object",
		[JSON_ARRAY] = "array",
		[JSON_STRING] = "string",
		[JSON_INTEGER] = "number",
		[JSON_REAL] = "number",
		[JSON_TRUE] = "boolean",
		[JSON_FALSE] = "boolean",
		[JSON_NULL] = "null",
	};

	return value ? names[json_typeof(value)] : "null";
}

/* ---- building ---- */

Value *value_object(void)
{
	return json_object();
}

Value *value_array(void)
{
	return json_array();
}

/* Gives a copy in which each byte that is not UTF-8 is U+FFFD. */
static char *repaired(const char *text)
{
	Buffer copy = {0};

	for (size_t left = strlen(text); left;) {
		size_t size = string_utf8_character(text, left);
		if (size)
			buffer_add(&copy, text, size);
		else
			buffer_add_text(&copy, "\xef\xbf\xbd");
		text += size ? size : 1;
		left -= size ? size : 1;
	}
	return buffer_steal(&copy);
}

Value *value_new_string(const char *text)
{
	Value *value = json_string(text);

	if (value)
		return value;
	autofree char *copy = repaired(text);
	return json_string(copy);
}

Value *value_new_int(int64_t number)
{
	return json_integer(number);
}

Value *value_new_bool(bool truth)
{
	return json_boolean(truth);
}

void value_set(Value *object, const char *key, Value *take)
{
	if (json_object_set_new(object, key, take) < 0)
		abort(); /* out of memory, or a key that is no text */
}

void value_remove(Value *object, const char *key)
{
	json_object_del(object, key);
}

void value_append(Value *array, Value *take)
{
	if (json_array_append_new(array, take) < 0)
		abort();
}

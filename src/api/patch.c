// SPDX-License-Identifier: Apache-2.0
#include "api/patch.h"

#include <string.h>

#include "base/memory.h"

enum { PATH_DEPTH_MAX = 16 };

static void merge(Value *target, const Value *patch)
{
	const char *key;
	Value *value;

	for (size_t cursor = 0; value_each(patch, &cursor, &key, &value);) {
		Value *now = value_get(target, key);
		if (value_is_null(value)) {
			value_remove(target, key);
		} else if (value_is_object(value) && value_is_object(now)) {
			merge(now, value);
		} else {
			value_set(target, key, value_copy(value));
		}
	}
}

static fallible check_object(const Value *body)
{
	if (value_is_object(body))
		return NULL;
	return error_new(ERROR_INVALID, "a change is an object of fields, not %s", value_kind_name(body));
}

/* Properties are Kura's form of a whole document: beside fields of ours they would be read as that. */
static fallible check_keys(const Value *body)
{
	const char *key;

	for (size_t cursor = 0; value_each(body, &cursor, &key, NULL);)
		if (strchr(key, '.'))
			return error_hint(error_new(ERROR_INVALID, "field \"%.300s\" is unknown", key),
				"a field in another one is written as {\"registry\": {\"host\": ...}}");
	return NULL;
}

fallible patch_merge(Value *document, const Value *body)
{
	TRY(check_object(body));
	TRY(check_keys(body));
	merge(document, body);
	return NULL;
}

/* "registry.host" leads through objects, that are made. */
static Value *place_of(Value *object, const char *path, const char **ret_key)
{
	const char *dot;

	while ((dot = strchr(path, '.'))) {
		autofree char *key = mem_strndup(path, (size_t)(dot - path));
		if (!value_is_object(value_get(object, key)))
			value_set(object, key, value_object());
		object = value_get(object, key);
		path = dot + 1;
	}
	*ret_key = path;
	return object;
}

static fallible check_path(const char *path)
{
	size_t depth = 1;

	for (const char *dot = strchr(path, '.'); dot; dot = strchr(dot + 1, '.'))
		depth++;
	if (depth <= PATH_DEPTH_MAX)
		return NULL;
	return error_new(
		ERROR_INVALID, "field \"%.64s...\": there are none of more than %d parts", path, PATH_DEPTH_MAX);
}

static fallible read_field(Value **ret, const Value *text)
{
	const char *word = value_string(text);

	if (!word)
		return error_new(
			ERROR_INVALID, "it must be a text, as {\"enabled\": \"false\"}, not %s", value_kind_name(text));
	return value_parse_yaml(ret, word, strlen(word));
}

fallible patch_fields(Value *document, const Value *body)
{
	autoptr(Value) change = value_object();
	const char *path, *key;
	Value *value, *text;

	TRY(check_object(body));
	for (size_t cursor = 0; value_each(body, &cursor, &path, &text);) {
		TRY(check_path(path));
		TRY_WRAP(read_field(&value, text), "field \"%s\"", path);
		Value *object = place_of(change, path, &key);
		value_set(object, key, value);
	}
	merge(document, change);
	return NULL;
}

// SPDX-License-Identifier: Apache-2.0
#include "device/kura_value.h"

#include <string.h>

#include "base/memory.h"

const Value *kura_properties(const Value *document)
{
	const Value *inner = value_get(document, "properties");

	return value_is_object(inner) ? inner : document;
}

static const Value *plain(const Value *properties, const char *name)
{
	const Value *value = value_get(properties, name);

	return value_is_object(value) ? value_get(value, "value") : value;
}

bool kura_has(const Value *properties, const char *name)
{
	return !value_is_null(plain(properties, name));
}

static fallible wrong_type(const char *name, const char *wanted, const Value *value)
{
	return error_new(
		ERROR_INVALID, "property \"%s\" must be %s, not of type %s", name, wanted, value_kind_name(value));
}

/* Numbers too, which a file has where somebody forgot the quotes. */
fallible kura_text(char **ret, const Value *properties, const char *name, const char *otherwise)
{
	const Value *value = plain(properties, name);
	autofree char *text = NULL;

	if (value_is_null(value))
		text = mem_strdup(otherwise);
	else if (value_is_string(value))
		text = mem_strdup(value_string(value));
	else if (value_is_number(value) && value_int(value, 0) == value_int(value, 1))
		text = string_printf("%lld", (long long)value_int(value, 0));
	else
		return wrong_type(name, "a string", value);
	*ret = mem_strdup(string_trim(text));
	return NULL;
}

fallible kura_bool(bool *ret, const Value *properties, const char *name, bool otherwise)
{
	const Value *value = plain(properties, name);
	const char *text = value_string(value);

	if (!value_is_null(value) && !value_is_bool(value) && !string_equal(text, "true") &&
		!string_equal(text, "false"))
		return wrong_type(name, "true or false", value);
	*ret = text ? string_equal(text, "true") : value_bool(value, otherwise);
	return NULL;
}

fallible kura_int(int64_t *ret, const Value *properties, const char *name, int64_t otherwise, int64_t min)
{
	const Value *value = plain(properties, name);
	int64_t number = value_int(value, otherwise);
	bool is_whole = value_int(value, 0) == value_int(value, 1);

	if (value_is_string(value))
		TRY_WRAP(string_to_int64(&number, value_string(value), min, INT32_MAX), "property \"%s\"", name);
	else if (!value_is_null(value) && !is_whole)
		return wrong_type(name, "a whole number", value);
	if (number < min || number > INT32_MAX)
		return error_new(
			ERROR_INVALID, "property \"%s\" must be between %lld and %d", name, (long long)min, INT32_MAX);
	*ret = number;
	return NULL;
}

fallible kura_list(StringList *ret, const Value *properties, const char *name)
{
	autofree char *text = NULL;
	autoclear(StringList) parts = {0};

	TRY(kura_text(&text, properties, name, ""));
	strings_split(&parts, text, ',');
	for (size_t i = 0; i < parts.count; i++) {
		const char *part = string_trim(parts.items[i]);
		if (*part)
			strings_add(ret, part);
	}
	return NULL;
}

// SPDX-License-Identifier: Apache-2.0
#include "device/interpolate.h"

#include <ctype.h>
#include <string.h>

#include "base/memory.h"

static size_t name_length(const char *text)
{
	size_t length = 0;

	while (isalnum((unsigned char)text[length]) || text[length] == '_')
		length++;
	return isdigit((unsigned char)*text) ? 0 : length;
}

static void note(StringList *notes, const char *name, size_t length, bool has_default)
{
	autofree char *text = string_printf(
		has_default ? "variable \"%.*s\" has its default" : "variable \"%.*s\" is empty", (int)length, name);

	if (!strings_has(notes, text))
		strings_add(notes, text);
}

/* Behind "${": up to the brace. Defaults that hold variables themselves are taken as they are. */
static fallible put_braced(Buffer *out, const char **at, StringList *notes)
{
	const char *name = *at, *end = strchr(name, '}');
	size_t length = name_length(name);
	const char *rest = name + length;

	if (!end || !length)
		return error_new(ERROR_INVALID, "\"${%.64s\" is no variable", name);
	rest += *rest == ':';
	if (*rest == '?')
		return error_new(ERROR_INVALID, "variable \"%.*s\" must have a value", (int)length, name);
	if (rest != end && *rest != '-' && *rest != '+')
		return error_new(ERROR_INVALID, "\"${%.64s\" is no variable", name);
	note(notes, name, length, *rest == '-');
	if (*rest == '-')
		buffer_add(out, rest + 1, (size_t)(end - rest - 1));
	*at = end + 1;
	return NULL;
}

static fallible put_text(Buffer *out, const char *text, StringList *notes)
{
	while (*text) {
		size_t plain = strcspn(text, "$");
		buffer_add(out, text, plain);
		text += plain;
		if (!*text)
			break;
		size_t length = name_length(++text);
		if (*text == '{') {
			text++;
			TRY(put_braced(out, &text, notes));
		} else if (length) {
			note(notes, text, length, false);
			text += length;
		} else {
			buffer_add_char(out, '$');
			text += *text == '$';
		}
	}
	return NULL;
}

static fallible put_string(Value **ret, const char *text, StringList *notes)
{
	autoclear(Buffer) out = {0};

	TRY(put_text(&out, text, notes));
	*ret = value_new_string(buffer_text(&out));
	return NULL;
}

fallible interpolate(Value **ret, const Value *value, StringList *notes)
{
	autoptr(Value) copy = value_is_object(value) ? value_object() : value_array();
	const char *key;
	Value *member, *done;
	size_t cursor = 0;

	if (value_is_string(value))
		return put_string(ret, value_string(value), notes);
	if (!value_is_object(value) && !value_is_array(value)) {
		*ret = value_copy(value);
		return NULL;
	}
	while (value_is_object(value) && value_each(value, &cursor, &key, &member)) {
		TRY(interpolate(&done, member, notes));
		value_set(copy, key, done);
	}
	for (size_t i = 0; value_is_array(value) && i < value_count(value); i++) {
		TRY(interpolate(&done, value_at(value, i), notes));
		value_append(copy, done);
	}
	*ret = take(copy);
	return NULL;
}

// SPDX-License-Identifier: Apache-2.0
/* YAML for people: block style, two spaces, no quotes where none are needed. What yaml.c reads back is the same value.
 */
#include <string.h>
#include <strings.h>

#include "base/memory.h"
#include "base/strings.h"
#include "json/value.h"
#include "json/writer.h"

static const char plain_characters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./@+=-: ";

static bool is_word_for_other(const char *text)
{
	static const char *const words[] = {"null", "true", "false", "yes", "no", "on", "off", "y", "n"};

	for (size_t i = 0; i < COUNT(words); i++)
		if (strcasecmp(text, words[i]) == 0)
			return true;
	return false;
}

static bool is_letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* What begins with a letter or a slash is no number. */
static bool is_plain(const char *text)
{
	size_t length = strlen(text);

	if (!is_letter(*text) && *text != '/')
		return false;
	if (text[strspn(text, plain_characters)] || is_word_for_other(text) || strstr(text, ": "))
		return false;
	return text[length - 1] != ' ' && text[length - 1] != ':';
}

static void write_text(Buffer *out, const char *text)
{
	if (is_plain(text)) {
		buffer_add_text(out, text);
		return;
	}
	buffer_add_char(out, '"');
	json_escape(out, text, strlen(text));
	buffer_add_char(out, '"');
}

static void write_leaf(Buffer *out, const Value *value)
{
	if (value_is_string(value))
		write_text(out, value_string(value));
	else
		value_write(value, out); /* a number, true, false, null, [] or {} */
}

static bool is_block(const Value *value)
{
	return value_count(value) > 0;
}

static void write_block(Buffer *out, const Value *value, int indent);

/* Behind "key:" or "-". A sequence in a sequence, and a mapping in one, begin on the dash's line. */
static void write_behind(Buffer *out, const Value *value, int indent, bool is_item)
{
	if (!is_block(value)) {
		buffer_add_char(out, ' ');
		write_leaf(out, value);
		buffer_add_char(out, '\n');
		return;
	}
	buffer_add_char(out, is_item ? ' ' : '\n');
	if (!is_item)
		buffer_printf(out, "%*s", indent, "");
	write_block(out, value, indent);
}

/* The first line's indentation is there already. */
static void write_block(Buffer *out, const Value *value, int indent)
{
	const char *key;
	Value *member;
	bool is_first = true;

	for (size_t i = 0; value_is_array(value) && i < value_count(value); i++) {
		buffer_printf(out, "%*s-", i ? indent : 0, "");
		write_behind(out, value_at(value, i), indent + 2, true);
	}
	for (size_t cursor = 0; value_is_object(value) && value_each(value, &cursor, &key, &member);) {
		buffer_printf(out, "%*s", is_first ? 0 : indent, "");
		write_text(out, key);
		buffer_add_char(out, ':');
		write_behind(out, member, indent + 2, false);
		is_first = false;
	}
}

void value_write_yaml(const Value *value, Buffer *out)
{
	if (is_block(value)) {
		write_block(out, value, 0);
		return;
	}
	write_leaf(out, value);
	buffer_add_char(out, '\n');
}

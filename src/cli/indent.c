// SPDX-License-Identifier: Apache-2.0
#include "cli/indent.h"

#include <string.h>

static void new_line(Buffer *out, int depth)
{
	buffer_printf(out, "\n%*s", depth > 0 ? depth * INDENT_WIDTH : 0, "");
}

static size_t string_length(const char *text, size_t length)
{
	size_t at = 1;

	while (at < length && text[at] != '"')
		at += text[at] == '\\' ? 2 : 1;
	return at < length ? at + 1 : length;
}

static size_t skip_spaces(const char *text, size_t at, size_t length)
{
	while (at < length && strchr(" \t\r\n", text[at]))
		at++;
	return at;
}

/* An opening bracket, and the closing one too where nothing is between them. Gives where reading goes on. */
static size_t open_bracket(Buffer *out, const char *text, size_t at, size_t length, int *depth)
{
	size_t next = skip_spaces(text, at + 1, length);

	buffer_add_char(out, text[at]);
	if (next < length && strchr("]}", text[next])) {
		buffer_add_char(out, text[next]);
		return next + 1;
	}
	new_line(out, ++*depth);
	return next;
}

static size_t put_token(Buffer *out, const char *text, size_t at, size_t length, int *depth)
{
	switch (text[at]) {
	case '"': {
		size_t used = string_length(text + at, length - at);
		buffer_add(out, text + at, used);
		return at + used;
	}
	case '{':
	case '[':
		return open_bracket(out, text, at, length, depth);
	case '}':
	case ']':
		new_line(out, --*depth);
		break;
	case ',':
		buffer_add_char(out, ',');
		new_line(out, *depth);
		return at + 1;
	case ':':
		buffer_add_text(out, ": ");
		return at + 1;
	default:
		break;
	}
	buffer_add_char(out, text[at]);
	return at + 1;
}

void json_indent(Buffer *out, const char *text, size_t length, int depth)
{
	for (size_t at = skip_spaces(text, 0, length); at < length; at = skip_spaces(text, at, length))
		at = put_token(out, text, at, length, &depth);
}

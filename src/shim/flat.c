// SPDX-License-Identifier: Apache-2.0
#include "shim/flat.h"

#include <stdint.h>
#include <string.h>

enum { REPLACEMENT = 0xfffd };

typedef struct Cursor {
	char *at, *end;
} Cursor;

static void skip_space(Cursor *cursor)
{
	while (cursor->at < cursor->end && strchr(" \t\r\n", *cursor->at) && *cursor->at)
		cursor->at++;
}

static bool accept(Cursor *cursor, char c)
{
	skip_space(cursor);
	if (cursor->at == cursor->end || *cursor->at != c)
		return false;
	cursor->at++;
	return true;
}

static int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool read_hex4(Cursor *cursor, uint32_t *ret)
{
	uint32_t value = 0;

	if (cursor->end - cursor->at < 4)
		return false;
	for (int i = 0; i < 4; i++) {
		int digit = hex_value(cursor->at[i]);
		if (digit < 0)
			return false;
		value = value << 4 | (uint32_t)digit;
	}
	cursor->at += 4;
	*ret = value;
	return true;
}

/* What follows "\u"; a surrogate without its other half becomes U+FFFD. */
static bool read_code_point(Cursor *cursor, uint32_t *ret)
{
	uint32_t high, low;

	if (!read_hex4(cursor, &high))
		return false;
	*ret = high >= 0xd800 && high <= 0xdfff ? REPLACEMENT : high;
	if (high < 0xd800 || high > 0xdbff || cursor->end - cursor->at < 6 || memcmp(cursor->at, "\\u", 2))
		return true;
	Cursor second = {cursor->at + 2, cursor->end};
	if (!read_hex4(&second, &low))
		return false;
	if (low < 0xdc00 || low > 0xdfff)
		return true;
	*ret = 0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00);
	cursor->at = second.at;
	return true;
}

static char *put_utf8(char *to, uint32_t code)
{
	if (code < 0x80) {
		*to++ = (char)code;
	} else if (code < 0x800) {
		*to++ = (char)(0xc0 | code >> 6);
		*to++ = (char)(0x80 | (code & 0x3f));
	} else if (code < 0x10000) {
		*to++ = (char)(0xe0 | code >> 12);
		*to++ = (char)(0x80 | (code >> 6 & 0x3f));
		*to++ = (char)(0x80 | (code & 0x3f));
	} else {
		*to++ = (char)(0xf0 | code >> 18);
		*to++ = (char)(0x80 | (code >> 12 & 0x3f));
		*to++ = (char)(0x80 | (code >> 6 & 0x3f));
		*to++ = (char)(0x80 | (code & 0x3f));
	}
	return to;
}

/* The character after a backslash; what it stands for is never longer than its escape. */
static char *read_escape(Cursor *cursor, char *to)
{
	static const char names[] = "\"\\/bfnrt", values[] = "\"\\/\b\f\n\r\t";
	uint32_t code;

	if (cursor->at == cursor->end)
		return NULL;
	char c = *cursor->at++;
	const char *found = c ? strchr(names, c) : NULL;
	if (found) {
		*to++ = values[found - names];
		return to;
	}
	return c == 'u' && read_code_point(cursor, &code) ? put_utf8(to, code) : NULL;
}

/* Bytes that stand for themselves; most of a line is made of them. */
static char *copy_plain(Cursor *cursor, char *to)
{
	char *from = cursor->at;

	while (cursor->at < cursor->end && *cursor->at != '"' && *cursor->at != '\\')
		cursor->at++;
	size_t length = (size_t)(cursor->at - from);
	if (to != from)
		memmove(to, from, length);
	return to + length;
}

static bool read_string(Cursor *cursor, char **ret, size_t *ret_length)
{
	if (!accept(cursor, '"'))
		return false;
	char *start = cursor->at, *to = start;
	for (;;) {
		to = copy_plain(cursor, to);
		if (cursor->at == cursor->end)
			return false;
		if (*cursor->at++ == '"')
			break;
		to = read_escape(cursor, to);
		if (!to)
			return false;
	}
	*ret = start;
	*ret_length = (size_t)(to - start);
	return true;
}

static bool skip_scalar(Cursor *cursor)
{
	char *start = cursor->at;

	while (cursor->at < cursor->end && *cursor->at && strchr("+-.0123456789Eaeflnrstu", *cursor->at))
		cursor->at++;
	return cursor->at > start;
}

static void keep(FlatField *fields, size_t count, const FlatField *found, const char *name, size_t name_length)
{
	for (size_t i = 0; i < count; i++) {
		if (strlen(fields[i].name) != name_length || memcmp(fields[i].name, name, name_length))
			continue;
		fields[i].text = found->text;
		fields[i].length = found->length;
	}
}

static bool read_member(Cursor *cursor, FlatField *fields, size_t count)
{
	FlatField found = {0};
	char *name;
	size_t name_length;

	if (!read_string(cursor, &name, &name_length) || !accept(cursor, ':'))
		return false;
	skip_space(cursor);
	if (cursor->at == cursor->end || *cursor->at != '"')
		return skip_scalar(cursor);
	if (!read_string(cursor, &found.text, &found.length))
		return false;
	keep(fields, count, &found, name, name_length);
	return true;
}

bool flat_read(FlatField *fields, size_t count, char *line, size_t length)
{
	Cursor cursor = {line, line + length};

	for (size_t i = 0; i < count; i++)
		fields[i].text = NULL;
	if (!accept(&cursor, '{'))
		return false;
	if (!accept(&cursor, '}')) {
		do {
			if (!read_member(&cursor, fields, count))
				return false;
		} while (accept(&cursor, ','));
		if (!accept(&cursor, '}'))
			return false;
	}
	skip_space(&cursor);
	return cursor.at == cursor.end;
}

// SPDX-License-Identifier: Apache-2.0
#include "json/writer.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SHORT_TEXT = 256 }; /* what is formatted without memory of its own */

static const char replacement[] = "\xef\xbf\xbd"; /* U+FFFD */

/* What follows the backslash; 'u' for control characters without a letter of their own; 'x' for bytes that are not
 * ASCII. */
static const char escapes[256] = {
	[0x00 ... 0x07] = 'u',
	['\b'] = 'b',
	['\t'] = 't',
	['\n'] = 'n',
	[0x0b] = 'u',
	['\f'] = 'f',
	['\r'] = 'r',
	[0x0e ... 0x1f] = 'u',
	['"'] = '"',
	['\\'] = '\\',
	[0x80 ... 0xff] = 'x',
};

#define EACH_BYTE(value) (UINT64_C(0x0101010101010101) * (value))

/* Whether one of eight bytes is 0. Source: Bit Twiddling Hacks, "Determine if a word has a zero byte". */
static bool has_zero(uint64_t bytes)
{
	return (bytes - EACH_BYTE(1)) & ~bytes & EACH_BYTE(0x80);
}

/* None of eight bytes is a control character, a quote, a backslash or not ASCII: most of all text is so. */
static bool is_common(uint64_t bytes)
{
	return !((bytes | (bytes - EACH_BYTE(' '))) & EACH_BYTE(0x80)) && !has_zero(bytes ^ EACH_BYTE('"')) &&
	       !has_zero(bytes ^ EACH_BYTE('\\'));
}

static uint64_t eight_bytes(const char *text)
{
	uint64_t bytes;

	memcpy(&bytes, text, sizeof(bytes));
	return bytes;
}

/* Of four to seven, some twice. */
static uint64_t few_bytes(const char *text, size_t length)
{
	uint32_t first, last;

	memcpy(&first, text, sizeof(first));
	memcpy(&last, text + length - sizeof(last), sizeof(last));
	return first | (uint64_t)last << 32;
}

/* Many bytes at a time; 0 where they need a closer look. The last eight overlap with what was seen. */
static size_t common_run(const char *text, size_t length)
{
	size_t run = 0;

	if (length < sizeof(uint64_t))
		return length >= sizeof(uint32_t) && is_common(few_bytes(text, length)) ? length : 0;
	while (run + sizeof(uint64_t) <= length && is_common(eight_bytes(text + run)))
		run += sizeof(uint64_t);
	if (length - run < sizeof(uint64_t) && is_common(eight_bytes(text + length - sizeof(uint64_t))))
		return length;
	return run;
}

/* How many bytes from text on can be copied as they are. */
static size_t plain_run(const char *text, size_t length)
{
	size_t run = common_run(text, length);

	while (run < length) {
		char escape = escapes[(unsigned char)text[run]];
		size_t size = escape == 'x' ? string_utf8_character(text + run, length - run) : !escape;
		if (!size)
			break;
		run += size;
	}
	return run;
}

static void put_escaped(Buffer *out, unsigned char c)
{
	char escape = escapes[c];

	if (escape == 'x') {
		buffer_add(out, replacement, sizeof(replacement) - 1);
	} else if (escape == 'u') {
		buffer_printf(out, "\\u%04x", c);
	} else {
		buffer_add_char(out, '\\');
		buffer_add_char(out, escape);
	}
}

void json_escape(Buffer *out, const char *text, size_t length)
{
	while (length) {
		size_t run = plain_run(text, length);
		buffer_add(out, text, run);
		if (run == length)
			return;
		put_escaped(out, (unsigned char)text[run]);
		text += run + 1;
		length -= run + 1;
	}
}

static void put_unless_nul(Buffer *out, char c)
{
	if (c)
		buffer_add_char(out, c);
}

static void put_escaped_literal(Buffer *out, char before, const char *text, size_t length, char after)
{
	put_unless_nul(out, before);
	buffer_add_char(out, '"');
	json_escape(out, text, length);
	buffer_add_char(out, '"');
	put_unless_nul(out, after);
}

/* With the character before it and the one after it, unless these are 0. Most text needs no escapes: it is one copy
 * into one room. */
static void put_literal(Buffer *out, char before, const char *text, size_t length, char after)
{
	char *room = plain_run(text, length) == length ? buffer_reserve(out, length + 4) : NULL, *at = room;

	if (!room) {
		put_escaped_literal(out, before, text, length, after);
		return;
	}
	*at = before;
	at += before != 0;
	*at++ = '"';
	if (length)
		memcpy(at, text, length);
	at += length;
	*at++ = '"';
	*at = after;
	buffer_commit(out, (size_t)(at + (after != 0) - room));
}

/* What stands in front of every value: a comma, a key. */
static void begin(Writer *writer, const char *key)
{
	char comma = writer->needs_comma ? ',' : 0;

	if (key)
		put_literal(writer->out, comma, key, strlen(key), ':');
	else
		put_unless_nul(writer->out, comma);
	writer->needs_comma = true;
}

static void open_nest(Writer *writer, const char *key, char bracket)
{
	begin(writer, key);
	buffer_add_char(writer->out, bracket);
	writer->needs_comma = false;
}

static void close_nest(Writer *writer, char bracket)
{
	buffer_add_char(writer->out, bracket);
	writer->needs_comma = true;
}

void writer_init(Writer *writer, Buffer *out)
{
	*writer = (Writer){.out = out};
}

void write_object(Writer *writer, const char *key)
{
	open_nest(writer, key, '{');
}

void write_object_end(Writer *writer)
{
	close_nest(writer, '}');
}

void write_array(Writer *writer, const char *key)
{
	open_nest(writer, key, '[');
}

void write_array_end(Writer *writer)
{
	close_nest(writer, ']');
}

void write_string(Writer *writer, const char *key, const char *text)
{
	write_string_n(writer, key, text, text ? strlen(text) : 0);
}

void write_string_n(Writer *writer, const char *key, const char *text, size_t length)
{
	begin(writer, key);
	put_literal(writer->out, 0, text, length, 0);
}

void write_string_or_null(Writer *writer, const char *key, const char *text)
{
	if (text)
		write_string(writer, key, text);
	else
		write_null(writer, key);
}

void write_stringf(Writer *writer, const char *key, const char *format, ...)
{
	char text[SHORT_TEXT];
	va_list args;

	va_start(args, format);
	int length = vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	if (length < (int)sizeof(text)) {
		write_string(writer, key, text);
		return;
	}
	va_start(args, format);
	autofree char *whole = string_vprintf(format, args);
	va_end(args);
	write_string(writer, key, whole);
}

void write_int(Writer *writer, const char *key, int64_t number)
{
	uint64_t magnitude = number < 0 ? -(uint64_t)number : (uint64_t)number;

	begin(writer, key);
	if (number < 0)
		buffer_add_char(writer->out, '-');
	writer->needs_comma = false;
	write_uint(writer, NULL, magnitude);
}

void write_uint(Writer *writer, const char *key, uint64_t number)
{
	char digits[20];
	size_t at = sizeof(digits);

	begin(writer, key);
	do
		digits[--at] = (char)('0' + number % 10);
	while (number /= 10);
	buffer_add(writer->out, digits + at, sizeof(digits) - at);
}

/* The shortest of three forms that reads back as the same number. JSON has no infinities: null. */
void write_double(Writer *writer, const char *key, double number)
{
	char text[32];

	if (!isfinite(number)) {
		write_null(writer, key);
		return;
	}
	for (int digits = 15; digits <= 17; digits++) {
		snprintf(text, sizeof(text), "%.*g", digits, number);
		if (strtod(text, NULL) == number)
			break;
	}
	begin(writer, key);
	buffer_add_text(writer->out, text);
	if (!strpbrk(text, ".e"))
		buffer_add_text(writer->out, ".0");
}

void write_bool(Writer *writer, const char *key, bool truth)
{
	write_raw(writer, key, truth ? "true" : "false");
}

void write_null(Writer *writer, const char *key)
{
	write_raw(writer, key, "null");
}

void write_strings(Writer *writer, const char *key, const StringList *list)
{
	write_array(writer, key);
	for (size_t i = 0; i < list->count; i++)
		write_string(writer, NULL, list->items[i]);
	write_array_end(writer);
}

void write_map(Writer *writer, const char *key, const StringMap *map)
{
	write_object(writer, key);
	for (size_t i = 0; i < map->count; i++)
		write_string(writer, map->items[i].key, map->items[i].value);
	write_object_end(writer);
}

void write_value(Writer *writer, const char *key, const Value *value)
{
	begin(writer, key);
	if (value)
		value_write(value, writer->out);
	else
		buffer_add_text(writer->out, "null");
}

void write_raw(Writer *writer, const char *key, const char *json)
{
	begin(writer, key);
	buffer_add_text(writer->out, json);
}

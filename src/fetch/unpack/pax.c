// SPDX-License-Identifier: Apache-2.0
#include <ctype.h>
#include <stdbool.h>
#include <string.h>

#include "base/clock.h"
#include "base/strings.h"
#include "fetch/unpack/pax.h"

enum { LENGTH_DIGITS_MAX = 8 };

static fallible malformed(void)
{
	return error_new(ERROR_INVALID, "extended header is malformed");
}

/* The record at text: its length with everything, and where its key begins. */
static fallible read_length(const char *text, size_t left, size_t *ret_length, size_t *ret_key)
{
	size_t length = 0, digits = 0;

	while (digits < left && digits < LENGTH_DIGITS_MAX && isdigit((unsigned char)text[digits]))
		length = length * 10 + (size_t)(text[digits++] - '0');
	if (digits == 0 || digits >= left || text[digits] != ' ')
		return malformed();
	if (length > left || length < digits + 4 || text[length - 1] != '\n')
		return malformed();
	*ret_length = length;
	*ret_key = digits + 1;
	return NULL;
}

Error *pax_each(char *text, size_t length, Error *(*visit)(void *, const char *, const char *, size_t), void *arg)
{
	while (length > 0) {
		size_t record = 0, key = 0;
		char *equals;

		TRY(read_length(text, length, &record, &key));
		equals = memchr(text + key, '=', record - key);
		if (!equals || equals == text + key || memchr(text + key, '\0', (size_t)(equals - text) - key))
			return malformed();
		*equals = '\0';
		text[record - 1] = '\0';
		TRY(visit(arg, text + key, equals + 1, (size_t)(text + record - 1 - (equals + 1))));
		text += record;
		length -= record;
	}
	return NULL;
}

Error *pax_number(int64_t *ret, const char *value, const char *key)
{
	Error *error = string_to_int64(ret, value, 0, INT64_MAX);

	return error ? error_wrap(error, "extended header \"%s\"", key) : NULL;
}

/* Up to nine digits count, the rest is dropped. */
static bool read_fraction(const char *text, long *ret_ns)
{
	long ns = 0, unit = 100000000;

	for (; isdigit((unsigned char)*text); text++, unit /= 10)
		ns += (*text - '0') * unit;
	*ret_ns = ns;
	return *text == '\0';
}

static bool read_seconds(const char *text, size_t digits, int64_t *ret)
{
	int64_t seconds = 0;

	if (digits == 0 || digits > 18)
		return false;
	for (size_t i = 0; i < digits; i++)
		seconds = seconds * 10 + (text[i] - '0');
	*ret = seconds;
	return true;
}

Error *pax_time(struct timespec *ret, const char *value)
{
	bool negative = *value == '-';
	const char *text = value + negative;
	size_t digits = strspn(text, "0123456789");
	int64_t seconds = 0;
	long ns = 0;

	if (!read_seconds(text, digits, &seconds) || (text[digits] && text[digits] != '.') ||
		(text[digits] == '.' && !read_fraction(text + digits + 1, &ns)))
		return error_new(ERROR_INVALID, "time \"%.40s\" is not a number", value);
	if (negative && ns > 0)
		*ret = (struct timespec){.tv_sec = -seconds - 1, .tv_nsec = NANOS_PER_SECOND - ns};
	else
		*ret = (struct timespec){.tv_sec = negative ? -seconds : seconds, .tv_nsec = ns};
	return NULL;
}

// SPDX-License-Identifier: Apache-2.0
#include "shim/logline.h"

#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "shim/flat.h"

static const char *const stream_names[] = {[LOG_STDOUT] = "stdout", [LOG_STDERR] = "stderr"};
static const char hex_digits[] = "0123456789abcdef";

typedef unsigned char byte;

/* ---- UTF-8 ---- */

/* Length of the sequence that a first byte announces; 0 for one that cannot be first. */
static size_t sequence_length(byte first)
{
	if (first < 0x80)
		return 1;
	if (first < 0xc2 || first > 0xf4)
		return 0;
	return first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
}

/* The second byte's bounds rule out overlong forms, surrogates and what lies beyond U+10FFFF. */
static bool is_second(byte first, byte second)
{
	byte low = first == 0xe0 ? 0xa0 : first == 0xf0 ? 0x90 : 0x80;
	byte high = first == 0xed ? 0x9f : first == 0xf4 ? 0x8f : 0xbf;

	return second >= low && second <= high;
}

/* Whether the first `available` bytes of a sequence of that length are right. */
static bool is_sequence(const byte *at, size_t available)
{
	if (available > 1 && !is_second(at[0], at[1]))
		return false;
	for (size_t i = 2; i < available; i++)
		if ((at[i] & 0xc0) != 0x80)
			return false;
	return true;
}

size_t logline_cut(const char *data, size_t length)
{
	const byte *end = (const byte *)data + length;

	for (size_t back = 1; back <= 3 && back <= length; back++) {
		size_t needed = sequence_length(end[-back]);
		if (needed)
			return needed > back && is_sequence(end - back, back) ? length - back : length;
	}
	return length;
}

int64_t logline_count(const char *text, size_t length)
{
	int64_t count = 0;
	const char *end = text + length;

	while (text < end && (text = memchr(text, '\n', (size_t)(end - text)))) {
		count++;
		text++;
	}
	return count;
}

/* ---- writing ---- */

static char *put(char *to, const char *text, size_t length)
{
	memcpy(to, text, length);
	return to + length;
}

#define PUT(to, literal) put(to, literal, sizeof(literal) - 1)

static bool is_plain(byte c)
{
	return c >= 0x20 && c < 0x80 && c != '"' && c != '\\' && c != '<' && c != '>' && c != '&';
}

/* U+2028 and U+2029, which JavaScript takes for newlines. */
static bool is_separator(const byte *at)
{
	return at[0] == 0xe2 && at[1] == 0x80 && (at[2] & 0xfe) == 0xa8;
}

/* Length of a character beyond ASCII; 0 when the bytes are none. */
static size_t wide_length(const byte *at, const byte *end)
{
	size_t length = sequence_length(*at);

	return length && (size_t)(end - at) >= length && is_sequence(at, length) ? length : 0;
}

/* The end of what is written as it is. */
static const byte *skip_unescaped(const byte *at, const byte *end)
{
	while (at < end) {
		if (is_plain(*at)) {
			at++;
			continue;
		}
		size_t length = *at < 0x80 ? 0 : wide_length(at, end);
		if (!length || is_separator(at))
			break;
		at += length;
	}
	return at;
}

static char *put_ascii_escape(char *to, byte c)
{
	*to++ = '\\';
	if (c == '"' || c == '\\')
		*to++ = (char)c;
	else if (c == '\n')
		*to++ = 'n';
	else if (c == '\r')
		*to++ = 'r';
	else {
		to = PUT(to, "u00");
		*to++ = hex_digits[c >> 4];
		*to++ = hex_digits[c & 15];
	}
	return to;
}

/* A separator, or a byte that belongs to no character. */
static char *put_wide_escape(char *to, const byte **at, const byte *end)
{
	const byte *from = *at;

	if (!wide_length(from, end)) {
		*at = from + 1;
		return PUT(to, "\\ufffd");
	}
	*at = from + 3;
	to = PUT(to, "\\u202");
	*to++ = hex_digits[from[2] & 15];
	return to;
}

static char *put_escaped(char *to, const char *data, size_t length)
{
	const byte *at = (const byte *)data, *end = at + length;

	while (at < end) {
		const byte *run = at;
		at = skip_unescaped(at, end);
		to = put(to, (const char *)run, (size_t)(at - run));
		if (at == end)
			break;
		if (*at < 0x80)
			to = put_ascii_escape(to, *at++);
		else
			to = put_wide_escape(to, &at, end);
	}
	return to;
}

static char *put_fraction(char *to, int64_t nanos)
{
	char digits[9];
	size_t kept = sizeof(digits);

	for (size_t i = sizeof(digits); i-- > 0; nanos /= 10)
		digits[i] = (char)('0' + nanos % 10);
	while (kept && digits[kept - 1] == '0')
		kept--;
	if (kept)
		*to++ = '.';
	return put(to, digits, kept);
}

/* The text up to the second is made once a second. */
static const char *second_text(int64_t second)
{
	static int64_t known_second = INT64_MIN;
	static char text[CLOCK_TEXT_MAX];

	if (second != known_second) {
		clock_format(text, second * NANOS_PER_SECOND + 1);
		known_second = second;
	}
	return text;
}

enum { SECOND_TEXT = sizeof("2026-11-22T16:25:00") - 1 };

static char *put_time(char *to, int64_t wall_ns)
{
	if (wall_ns < 0)
		wall_ns = 0;
	to = put(to, second_text(wall_ns / NANOS_PER_SECOND), SECOND_TEXT);
	to = put_fraction(to, wall_ns % NANOS_PER_SECOND);
	*to++ = 'Z';
	return to;
}

size_t logline_write(char *to, const LogEntry *entry)
{
	char *start = to;

	to = PUT(to, "{\"log\":\"");
	to = put_escaped(to, entry->data, entry->length);
	if (entry->is_whole)
		to = PUT(to, "\\n");
	to = PUT(to, "\",\"stream\":\"");
	to = put(to, stream_names[entry->stream], 6);
	to = PUT(to, "\",\"time\":\"");
	to = put_time(to, entry->wall_ns);
	to = PUT(to, "\"}\n");
	return (size_t)(to - start);
}

/* ---- reading ---- */

static bool read_digits(const char *text, size_t count, int64_t *ret)
{
	int64_t value = 0;

	for (size_t i = 0; i < count; i++) {
		if (text[i] < '0' || text[i] > '9')
			return false;
		value = value * 10 + (text[i] - '0');
	}
	*ret = value;
	return true;
}

/* Days from 1970-01-01 in the Gregorian calendar, counted in years that begin in March. */
static int64_t days_from_civil(int64_t year, int64_t month, int64_t day)
{
	year -= month <= 2;
	int64_t era = year / 400, of_era = year - era * 400;
	int64_t of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;

	return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

static bool read_second(const char *text, int64_t *ret)
{
	int64_t year, month, day, hour, minute, second;

	if (!read_digits(text, 4, &year) || !read_digits(text + 5, 2, &month) || !read_digits(text + 8, 2, &day) ||
		!read_digits(text + 11, 2, &hour) || !read_digits(text + 14, 2, &minute) ||
		!read_digits(text + 17, 2, &second))
		return false;
	if (text[4] != '-' || text[7] != '-' || text[10] != 'T' || text[13] != ':' || text[16] != ':')
		return false;
	if (year < 1970 || year > 2261 || month < 1 || month > 12 || day < 1 || day > 31 || hour > 23 || minute > 59 ||
		second > 59)
		return false;
	*ret = ((days_from_civil(year, month, day) * 24 + hour) * 60 + minute) * 60 + second;
	return true;
}

/* Lines of the same second share their first part: a busy log is read without computing it anew. */
static bool read_second_cached(const char *text, int64_t *ret)
{
	static char known[SECOND_TEXT];
	static int64_t known_second;

	if (memcmp(known, text, SECOND_TEXT)) {
		if (!read_second(text, &known_second))
			return false;
		memcpy(known, text, SECOND_TEXT);
	}
	*ret = known_second;
	return true;
}

/* Gives the time with all nine digits, as `logs --timestamps` shows it. */
static bool read_time(const char *text, size_t length, int64_t *ret_ns, char ret_text[LOG_TIME_MAX])
{
	int64_t second, nanos;

	if (length <= SECOND_TEXT || length > SECOND_TEXT + 11 || text[length - 1] != 'Z' ||
		!read_second_cached(text, &second))
		return false;
	memcpy(ret_text, text, SECOND_TEXT);
	memcpy(ret_text + SECOND_TEXT, ".000000000Z", 12);
	if (length > SECOND_TEXT + 1 && text[SECOND_TEXT] != '.')
		return false;
	memcpy(ret_text + SECOND_TEXT, text + SECOND_TEXT, length - 1 - SECOND_TEXT);
	if (!read_digits(ret_text + SECOND_TEXT + 1, 9, &nanos))
		return false;
	*ret_ns = second * NANOS_PER_SECOND + nanos;
	return true;
}

static int find_stream(const char *name, size_t length)
{
	for (int stream = LOG_STDOUT; stream <= LOG_STDERR; stream++)
		if (length == strlen(stream_names[stream]) && !memcmp(name, stream_names[stream], length))
			return stream;
	return 0;
}

bool logline_read(LogEntry *ret, char ret_time[LOG_TIME_MAX], char *line, size_t length)
{
	FlatField fields[] = {{"log", NULL, 0}, {"stream", NULL, 0}, {"time", NULL, 0}};

	if (!flat_read(fields, 3, line, length) || !fields[0].text || !fields[1].text || !fields[2].text)
		return false;
	int stream = find_stream(fields[1].text, fields[1].length);
	int64_t wall_ns;
	if (!stream || !read_time(fields[2].text, fields[2].length, &wall_ns, ret_time))
		return false;
	*ret = (LogEntry){stream, wall_ns, fields[0].text, fields[0].length, true};
	ret->is_whole = ret->length && ret->data[ret->length - 1] == '\n';
	return true;
}

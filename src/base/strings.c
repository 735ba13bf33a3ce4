// SPDX-License-Identifier: Apache-2.0
#include "base/strings.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "base/buffer.h"
#include "base/memory.h"

char *string_printf(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	char *text = string_vprintf(format, args);
	va_end(args);
	return text;
}

char *string_vprintf(const char *format, va_list args)
{
	Buffer buffer = {0};

	buffer_vprintf(&buffer, format, args);
	return buffer_steal(&buffer);
}

char *string_mask_login(const char *url)
{
	const char *scheme = url ? strstr(url, "://") : NULL, *at = url ? strrchr(url, '@') : NULL;
	int before = scheme ? (int)(scheme + strlen("://") - url) : 0;

	return at ? string_printf("%.*sxxxxx:xxxxx%s", before, url, at) : mem_strdup(url);
}

bool string_equal(const char *a, const char *b)
{
	return a && b ? !strcmp(a, b) : a == b;
}

bool string_empty(const char *text)
{
	return !text || !*text;
}

bool string_starts(const char *text, const char *prefix)
{
	return !strncmp(text, prefix, strlen(prefix));
}

bool string_ends(const char *text, const char *suffix)
{
	size_t length = strlen(text), suffix_length = strlen(suffix);

	return length >= suffix_length && !strcmp(text + length - suffix_length, suffix);
}

bool string_replace(char **slot, const char *text)
{
	if (string_equal(*slot, text))
		return false;
	char *copy = mem_strdup(text); /* first: text may be a part of the old */
	free(*slot);
	*slot = copy;
	return true;
}

char *string_lower(const char *text)
{
	char *copy = mem_strdup(text);

	for (char *c = copy; *c; c++)
		if (*c >= 'A' && *c <= 'Z')
			*c = (char)(*c - 'A' + 'a');
	return copy;
}

char *string_trim(char *text)
{
	while (isspace((unsigned char)*text))
		text++;
	size_t length = strlen(text);
	while (length && isspace((unsigned char)text[length - 1]))
		length--;
	text[length] = '\0';
	return text;
}

/* The second byte is what overlong forms, surrogates and numbers above U+10FFFF are seen by (RFC 3629, section 4). */
static bool is_second_byte(unsigned char lead, unsigned char c)
{
	switch (lead) {
	case 0xe0:
		return c >= 0xa0 && c <= 0xbf;
	case 0xed:
		return c >= 0x80 && c <= 0x9f;
	case 0xf0:
		return c >= 0x90 && c <= 0xbf;
	case 0xf4:
		return c >= 0x80 && c <= 0x8f;
	default:
		return c >= 0x80 && c <= 0xbf;
	}
}

size_t string_utf8_character(const char *text, size_t length)
{
	const unsigned char *c = (const unsigned char *)text;

	if (!length)
		return 0;
	if (c[0] < 0x80)
		return 1;
	size_t size = c[0] >= 0xc2 && c[0] <= 0xdf ? 2 : c[0] >= 0xe0 && c[0] <= 0xef ? 3 : 4;
	if (c[0] < 0xc2 || c[0] > 0xf4 || length < size || !is_second_byte(c[0], c[1]))
		return 0;
	for (size_t i = 2; i < size; i++)
		if ((c[i] & 0xc0) != 0x80)
			return 0;
	return size;
}

bool string_is_utf8(const char *text, size_t length)
{
	while (length) {
		size_t size = string_utf8_character(text, length);
		if (!size)
			return false;
		text += size;
		length -= size;
	}
	return true;
}

/* ---- numbers ---- */

#define BILLION INT64_C(1000000000)

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* Reads digits from *at; false without a digit or when the number does not fit. */
static bool read_digits(int64_t *ret, const char **at, int sign)
{
	int64_t number = 0;

	if (!is_digit(**at))
		return false;
	for (; is_digit(**at); (*at)++)
		if (__builtin_mul_overflow(number, 10, &number) ||
			__builtin_add_overflow(number, sign * (**at - '0'), &number))
			return false;
	*ret = number;
	return true;
}

static bool is_whole_number(const char *text)
{
	text += *text == '-';
	return is_digit(*text) && text[strspn(text, "0123456789")] == '\0';
}

Error *string_to_int64(int64_t *ret, const char *text, int64_t min, int64_t max)
{
	const char *at = text + (*text == '-');
	int64_t number;

	if (!is_whole_number(text))
		return error_new(ERROR_INVALID, "\"%s\" is not a whole number", text);
	if (!read_digits(&number, &at, *text == '-' ? -1 : 1) || number < min || number > max)
		return error_new(
			ERROR_INVALID, "%s is not between %lld and %lld", text, (long long)min, (long long)max);
	*ret = number;
	return NULL;
}

/* The power of 1024 of "k", "kb", "KiB", "m", ...; 0 for "" and "b"; -1 for anything else. */
static int unit_power(const char *unit)
{
	static const char letters[] = "bkmgt";

	if (!*unit)
		return 0;
	const char *letter = strchr(letters, tolower((unsigned char)*unit));
	if (!letter)
		return -1;
	const char *rest = unit + 1;
	if (letter != letters && (!*rest || !strcasecmp(rest, "b") || !strcasecmp(rest, "ib")))
		return (int)(letter - letters);
	return letter == letters && !*rest ? 0 : -1;
}

/* What the digits after the point are worth in units of `unit`, rounded down. */
static int64_t read_fraction(const char **at, int64_t unit)
{
	int64_t value = 0, scale = 1;

	for (; is_digit(**at); (*at)++) {
		if (scale >= BILLION)
			continue;
		value = value * 10 + (**at - '0');
		scale *= 10;
	}
	return value * (unit / scale) + value * (unit % scale) / scale;
}

Error *string_to_bytes(int64_t *ret, const char *text)
{
	const char *at = text;
	int64_t number = 0, fraction = 0, bytes;

	if (!is_digit(*at))
		return error_new(ERROR_INVALID, "\"%s\" is not a size such as 512, 64m or 1.5g", text);
	bool fits = read_digits(&number, &at, 1);
	at += strspn(at, "0123456789");
	const char *point = *at == '.' && is_digit(at[1]) ? at + 1 : NULL;
	if (point)
		at = point + strspn(point, "0123456789");
	int power = unit_power(at + (*at == ' '));
	if (power < 0)
		return error_new(ERROR_INVALID, "\"%s\" is not a size such as 512, 64m or 1.5g", text);
	int64_t unit = INT64_C(1) << (10 * power);
	if (point)
		fraction = read_fraction(&point, unit);
	if (!fits || __builtin_mul_overflow(number, unit, &bytes) || __builtin_add_overflow(bytes, fraction, &bytes))
		return error_new(ERROR_INVALID, "size \"%s\" is too large", text);
	*ret = bytes;
	return NULL;
}

/* "1", "1.5", ".5", with at most nine digits behind the point. */
static bool is_decimal(const char *text)
{
	size_t whole = strspn(text, "0123456789");

	if (text[whole] != '.')
		return whole && !text[whole];
	size_t decimals = strspn(text + whole + 1, "0123456789");
	return decimals && decimals <= 9 && !text[whole + 1 + decimals];
}

Error *string_to_nano(int64_t *ret, const char *text)
{
	const char *at = text;
	int64_t whole = 0, nanos;

	if (!is_decimal(text))
		return error_new(ERROR_INVALID, "\"%s\" is not a number with at most nine decimals", text);
	bool fits = *at == '.' || read_digits(&whole, &at, 1);
	at = strchrnul(at, '.');
	int64_t fraction = *at ? (at++, read_fraction(&at, BILLION)) : 0;
	if (!fits || __builtin_mul_overflow(whole, BILLION, &nanos) || __builtin_add_overflow(nanos, fraction, &nanos))
		return error_new(ERROR_INVALID, "number \"%s\" is too large", text);
	*ret = nanos;
	return NULL;
}

/* ---- bytes ---- */

static const char hex_digits[] = "0123456789abcdef";

char *string_hex(const void *data, size_t length)
{
	const unsigned char *bytes = data;
	char *text = mem_realloc(NULL, length * 2 + 1);

	for (size_t i = 0; i < length; i++) {
		text[2 * i] = hex_digits[bytes[i] >> 4];
		text[2 * i + 1] = hex_digits[bytes[i] & 15];
	}
	text[length * 2] = '\0';
	return text;
}

void string_random_hex(char *ret, size_t characters)
{
	unsigned char bytes[32];

	for (size_t i = 0; i < characters; i++) {
		size_t at = i % (2 * sizeof(bytes));
		while (!at && getrandom(bytes, sizeof(bytes), 0) != (ssize_t)sizeof(bytes))
			if (errno != EINTR)
				abort(); /* a kernel without getrandom(2) */
		ret[i] = hex_digits[at & 1 ? bytes[at / 2] & 15 : bytes[at / 2] >> 4];
	}
	ret[characters] = '\0';
}

/* ---- lists ---- */

/* Room for one more item and the NULL behind it; the array's size is always the next power of two. */
static void make_room(StringList *list)
{
	size_t slots = list->count + 1;

	if (!(slots & (slots - 1)))
		list->items = mem_array(list->items, 2 * slots, sizeof(*list->items));
}

void strings_take(StringList *list, char *text)
{
	make_room(list);
	list->items[list->count++] = text;
	list->items[list->count] = NULL;
}

void strings_add(StringList *list, const char *text)
{
	strings_take(list, mem_strdup(text));
}

void strings_printf(StringList *list, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	strings_take(list, string_vprintf(format, args));
	va_end(args);
}

void strings_copy(StringList *to, const StringList *from)
{
	StringList copy = {0};

	for (size_t i = 0; i < from->count; i++)
		strings_add(&copy, from->items[i]);
	strings_clear(to);
	*to = copy;
}

bool strings_has(const StringList *list, const char *text)
{
	for (size_t i = 0; i < list->count; i++)
		if (string_equal(list->items[i], text))
			return true;
	return false;
}

void strings_remove(StringList *list, size_t index)
{
	free(list->items[index]);
	memmove(&list->items[index], &list->items[index + 1], (list->count - index) * sizeof(*list->items));
	list->count--;
}

void strings_split(StringList *ret, const char *text, char separator)
{
	StringList parts = {0};
	const char *end;

	for (const char *at = text; *text; at = end + 1) {
		end = strchrnul(at, separator);
		strings_take(&parts, mem_strndup(at, (size_t)(end - at)));
		if (!*end)
			break;
	}
	strings_clear(ret);
	*ret = parts;
}

char *strings_join(const StringList *list, const char *separator)
{
	Buffer text = {0};

	for (size_t i = 0; i < list->count; i++) {
		if (i)
			buffer_add_text(&text, separator);
		buffer_add_text(&text, list->items[i]);
	}
	return buffer_steal(&text);
}

static int compare_items(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

void strings_sort(StringList *list)
{
	if (list->count)
		qsort(list->items, list->count, sizeof(*list->items), compare_items);
}

void strings_clear(StringList *list)
{
	for (size_t i = 0; i < list->count; i++)
		free(list->items[i]);
	free(list->items);
	*list = (StringList){0};
}

/* The item "NAME=..." or "NAME" alone, whose name has the given length. */
static char **find_env(const StringList *list, const char *name, size_t length)
{
	for (size_t i = 0; i < list->count; i++) {
		const char *item = list->items[i];
		if (!strncmp(item, name, length) && (item[length] == '=' || !item[length]))
			return &list->items[i];
	}
	return NULL;
}

const char *strings_env(const StringList *list, const char *name)
{
	size_t length = strlen(name);
	char **item = find_env(list, name, length);

	return item && (*item)[length] == '=' ? *item + length + 1 : NULL;
}

void strings_env_set(StringList *list, const char *name_and_value)
{
	char **item = find_env(list, name_and_value, strcspn(name_and_value, "="));

	if (item)
		string_replace(item, name_and_value);
	else
		strings_add(list, name_and_value);
}

void strings_env_remove(StringList *list, const char *name)
{
	char **item = find_env(list, name, strlen(name));

	if (item)
		strings_remove(list, (size_t)(item - list->items));
}

/* ---- maps ---- */

static StringPair *map_find(const StringMap *map, const char *key)
{
	for (size_t i = 0; i < map->count; i++)
		if (!strcmp(map->items[i].key, key))
			return &map->items[i];
	return NULL;
}

const char *map_get(const StringMap *map, const char *key)
{
	StringPair *pair = map_find(map, key);

	return pair ? pair->value : NULL;
}

static void map_append(StringMap *map, const char *key, const char *value)
{
	size_t slots = map->count + 1;

	if (!(slots & (slots - 1)))
		map->items = mem_array(map->items, 2 * slots, sizeof(*map->items));
	map->items[map->count++] = (StringPair){mem_strdup(key), mem_strdup(value)};
}

void map_set(StringMap *map, const char *key, const char *value)
{
	StringPair *pair = map_find(map, key);

	if (pair)
		string_replace(&pair->value, value);
	else
		map_append(map, key, value);
}

bool map_remove(StringMap *map, const char *key)
{
	StringPair *pair = map_find(map, key);

	if (!pair)
		return false;
	free(pair->key);
	free(pair->value);
	memmove(pair, pair + 1, (size_t)(map->items + map->count - pair - 1) * sizeof(*pair));
	map->count--;
	return true;
}

void map_copy(StringMap *to, const StringMap *from)
{
	StringMap copy = {0};

	for (size_t i = 0; i < from->count; i++)
		map_append(&copy, from->items[i].key, from->items[i].value);
	map_clear(to);
	*to = copy;
}

void map_clear(StringMap *map)
{
	for (size_t i = 0; i < map->count; i++) {
		free(map->items[i].key);
		free(map->items[i].value);
	}
	free(map->items);
	*map = (StringMap){0};
}

int names_find(const char *const *names, size_t count, const char *text)
{
	for (size_t i = 0; i < count; i++)
		if (names[i] && string_equal(names[i], text))
			return (int)i;
	return -1;
}

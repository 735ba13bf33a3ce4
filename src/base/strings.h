// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Small string helpers, string lists, string maps and tables that name enums.
 * Lists and maps own their strings. A map keeps insertion order (labels are shown as they were given).
 */
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/error.h"

char *string_printf(const char *format, ...) __attribute__((format(printf, 1, 2)));
char *string_vprintf(const char *format, va_list args);
bool string_equal(const char *a, const char *b); /* NULL equals only NULL */
bool string_empty(const char *text);             /* NULL is empty */
bool string_starts(const char *text, const char *prefix);
bool string_ends(const char *text, const char *suffix);
bool string_replace(
	char **slot, const char *text); /* frees the old, copies the new (NULL is fine); true if it changed */
char *string_lower(const char *text);
/* Owned: an address without the name and the password in it ("http://xxxxx:xxxxx@host"); NULL gives NULL. */
char *string_mask_login(const char *url);
char *string_trim(char *text); /* in place; gives the first character that is not white space */
bool string_is_utf8(const char *text, size_t length);
size_t string_utf8_character(
	const char *text, size_t length); /* bytes of the character at text, 0 when it is not valid */

/* Whole decimal numbers, no sign tricks, no trailing bytes. */
fallible string_to_int64(int64_t *ret, const char *text, int64_t min, int64_t max);
/* "64m", "1g", "512": bytes with b, k, m, g, t (powers of 1024; "kb", "kib" too). */
fallible string_to_bytes(int64_t *ret, const char *text);
/* "1.5" -> 1500000000: decimal with up to nine fraction digits, times 1e9. */
fallible string_to_nano(int64_t *ret, const char *text);

char *string_hex(const void *data, size_t length);
void string_random_hex(char *ret, size_t characters); /* ret holds characters + 1 bytes; from getrandom(2) */

/* ---- lists ---- */
typedef struct StringList {
	char **items; /* NULL-terminated when count > 0; NULL when nothing was ever added */
	size_t count;
} StringList;

void strings_add(StringList *list, const char *text); /* copies */
void strings_take(StringList *list, char *text);      /* owns text from now on */
void strings_printf(StringList *list, const char *format, ...) __attribute__((format(printf, 2, 3)));
void strings_copy(StringList *to, const StringList *from); /* replaces what `to` held */
bool strings_has(const StringList *list, const char *text);
void strings_remove(StringList *list, size_t index);
void strings_split(StringList *ret, const char *text, char separator); /* keeps empty parts; "" gives no part */
char *strings_join(const StringList *list, const char *separator);
void strings_sort(StringList *list);
void strings_clear(StringList *list);
DEFINE_AUTOCLEAR(StringList, strings_clear)
/* Environment-like lists, "NAME=value": the value or NULL; setting replaces or adds. */
const char *strings_env(const StringList *list, const char *name);
void strings_env_set(StringList *list, const char *name_and_value);
void strings_env_remove(StringList *list, const char *name);

/* ---- maps ---- */
typedef struct StringPair {
	char *key;
	char *value;
} StringPair;

typedef struct StringMap {
	StringPair *items;
	size_t count;
} StringMap;

const char *map_get(const StringMap *map, const char *key); /* NULL when absent */
void map_set(StringMap *map, const char *key, const char *value);
bool map_remove(StringMap *map, const char *key);
void map_copy(StringMap *to, const StringMap *from);
void map_clear(StringMap *map);
DEFINE_AUTOCLEAR(StringMap, map_clear)

/* ---- names of enums: static const char *const names[] = { [X_A] = "a", ... } ---- */
int names_find(const char *const *names, size_t count, const char *text); /* -1 when absent */

// SPDX-License-Identifier: Apache-2.0
#include "base/keys.h"

#include <string.h>

#include "base/strings.h"

enum { CTRL_P = 16, CTRL_Q = 17, DELETE = 127 };

/* -1: no key has this name. */
static int key_byte(const char *name)
{
	static const char with_ctrl[] = "@abcdefghijklmnopqrstuvwxyz[\\]^_";
	const char *found;

	if (strlen(name) == 1)
		return (unsigned char)*name;
	if (string_equal(name, "DEL"))
		return DELETE;
	if (!string_starts(name, "ctrl-") || strlen(name) != 6)
		return -1;
	found = strchr(with_ctrl, name[5]);
	return found ? (int)(found - with_ctrl) : -1;
}

Error *keys_parse(Keys *ret, const char *text)
{
	autoclear(StringList) names = {0};
	Keys keys = {.bytes = {CTRL_P, CTRL_Q}, .count = 2};

	if (!string_empty(text)) {
		strings_split(&names, text, ',');
		keys.count = 0;
	}
	for (size_t i = 0; i < names.count; i++) {
		int byte = key_byte(names.items[i]);
		if (byte < 0 || keys.count == KEYS_MAX)
			return error_new(ERROR_INVALID, "Invalid detach keys (%.300s) provided", text);
		keys.bytes[keys.count++] = (uint8_t)byte;
	}
	*ret = keys;
	return NULL;
}

size_t keys_pass(Keys *keys, char *to, const char *from, size_t length, bool *ret_found)
{
	size_t at = 0;

	*ret_found = false;
	for (size_t i = 0; i < length; i++) {
		if (keys->count && (uint8_t)from[i] == keys->bytes[keys->seen]) {
			if (++keys->seen < keys->count)
				continue;
			*ret_found = true;
			return at;
		}
		memcpy(to + at, keys->bytes, keys->seen);
		at += keys->seen;
		keys->seen = 0;
		to[at++] = from[i];
	}
	return at;
}

// SPDX-License-Identifier: Apache-2.0
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "fetch/unpack/names.h"

/* The clean name as it grows. */
typedef struct Growing {
	char *text;
	size_t length;
	int64_t depth;
} Growing;

static fallible go_up(Growing *growing)
{
	if (growing->depth == 0)
		return error_new(ERROR_INVALID, "the name leads out of the archive");
	growing->depth--;
	while (growing->length > 0 && growing->text[--growing->length] != '/')
		;
	return NULL;
}

static fallible go_down(Growing *growing, const char *part, size_t length, int64_t max_depth)
{
	if (length > NAME_MAX)
		return error_new(ERROR_INVALID, "a part of the name is longer than %d bytes", NAME_MAX);
	if (growing->length + length + 2 > PATH_MAX)
		return error_new(ERROR_INVALID, "the name is longer than %d bytes", PATH_MAX - 1);
	if (++growing->depth > max_depth)
		return error_new(ERROR_TOO_LARGE, "the name is more than %lld directories deep", (long long)max_depth);
	if (growing->length > 0)
		growing->text[growing->length++] = '/';
	memcpy(growing->text + growing->length, part, length);
	growing->length += length;
	return NULL;
}

static bool is(const char *part, size_t length, const char *what)
{
	return length == strlen(what) && memcmp(part, what, length) == 0;
}

Error *name_clean(char ret[PATH_MAX], const char *name, int64_t max_depth)
{
	Growing growing = {.text = ret};

	while (*name) {
		size_t length = strcspn(name, "/");
		if (is(name, length, ".."))
			TRY(go_up(&growing));
		else if (length > 0 && !is(name, length, "."))
			TRY(go_down(&growing, name, length, max_depth));
		name += length;
		name += strspn(name, "/");
	}
	ret[growing.length] = '\0';
	return NULL;
}

const char *name_base(const char *clean)
{
	const char *slash = strrchr(clean, '/');

	return slash ? slash + 1 : clean;
}

/* One byte as it is shown; gives how many characters that takes. */
static size_t show_byte(char *to, unsigned char byte)
{
	if (byte >= ' ' && byte != 0x7f && byte != '"') {
		*to = (char)byte;
		return 1;
	}
	return (size_t)sprintf(to, "\\%03o", byte);
}

const char *name_show(char ret[NAME_SHOWN_MAX], const char *name)
{
	enum { WIDEST = 4, DOTS = 4 };
	size_t at = 0;
	const char *end = name + strlen(name);

	for (; *name && at + WIDEST + DOTS < NAME_SHOWN_MAX; name++) {
		/* half of the room is spent: go on near the end */
		if (at == NAME_SHOWN_MAX / 2 && end - name > NAME_SHOWN_MAX / 8) {
			memcpy(ret + at, "...", 3);
			at += 3;
			name = end - NAME_SHOWN_MAX / 8;
		}
		at += show_byte(ret + at, (unsigned char)*name);
	}
	ret[at] = '\0';
	return ret;
}

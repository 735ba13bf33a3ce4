// SPDX-License-Identifier: Apache-2.0
#include "telemetry/tag.h"

#include <ctype.h>
#include <stdint.h>
#include <string.h>

#include "base/memory.h"

enum { WORDS_MAX = 4 };

const char *const log_tag_fields[] = {"ID", "FullID", "Name", "ImageID", "ImageFullID", "ImageName", "Command",
	"Hostname", "DaemonName", "ContainerID", "ContainerName", "ContainerImageID", "ContainerImageName", NULL};

/* ---- functions ---- */

static void put_lower(Buffer *out, const char *value, int64_t number)
{
	(void)number;
	for (; *value; value++)
		buffer_add_char(out, (char)tolower((unsigned char)*value));
}

static void put_upper(Buffer *out, const char *value, int64_t number)
{
	(void)number;
	for (; *value; value++)
		buffer_add_char(out, (char)toupper((unsigned char)*value));
}

static void put_json(Buffer *out, const char *value, int64_t number)
{
	(void)number;
	buffer_add_char(out, '"');
	buffer_add_escaped(out, value, "\"\\");
	buffer_add_char(out, '"');
}

static void put_truncated(Buffer *out, const char *value, int64_t number)
{
	buffer_add(out, value, strnlen(value, (size_t)number));
}

static const struct {
	const char *name;
	bool takes_number;
	void (*put)(Buffer *out, const char *value, int64_t number);
} functions[] = {
	{"lower", false, put_lower},
	{"upper", false, put_upper},
	{"json", false, put_json},
	{"truncate", true, put_truncated},
};

/* ---- an action ---- */

static fallible find_field(const char **ret, const char *word, const StringMap *fields)
{
	size_t i = 0;

	if (word[0] != '.')
		return error_new(ERROR_INVALID, "\"%s\" is neither a field nor a function that tags have", word);
	while (log_tag_fields[i] && strcmp(log_tag_fields[i], word + 1) != 0)
		i++;
	if (!log_tag_fields[i])
		return error_new(ERROR_INVALID, "tags have no field \"%s\"", word);
	*ret = fields ? map_get(fields, word + 1) : NULL;
	*ret = *ret ? *ret : "";
	return NULL;
}

static fallible put_function(Buffer *out, const StringList *words, const StringMap *fields)
{
	const char *value;
	int64_t number = 0;

	for (size_t i = 0; i < COUNT(functions); i++) {
		if (strcmp(functions[i].name, words->items[0]) != 0)
			continue;
		if (words->count != (functions[i].takes_number ? 3 : 2))
			return error_new(
				ERROR_INVALID, "function \"%s\" has another number of arguments", words->items[0]);
		TRY(find_field(&value, words->items[1], fields));
		if (functions[i].takes_number)
			TRY(string_to_int64(&number, words->items[2], 0, LOG_TAG_MAX));
		functions[i].put(out, value, number);
		return NULL;
	}
	return error_new(ERROR_INVALID, "tags have no function \"%s\"", words->items[0]);
}

static void split_words(StringList *ret, const char *text, size_t length)
{
	autofree char *copy = mem_strndup(text, length);
	autoclear(StringList) parts = {0};

	strings_split(&parts, copy, ' ');
	for (size_t i = 0; i < parts.count; i++)
		if (*parts.items[i])
			strings_add(ret, parts.items[i]);
}

static fallible put_action(Buffer *out, const char *text, size_t length, const StringMap *fields)
{
	autoclear(StringList) words = {0};
	const char *value;

	split_words(&words, text, length);
	if (!words.count || words.count > WORDS_MAX)
		return error_new(ERROR_INVALID, "\"{{%.*s}}\" is not understood", (int)length, text);
	if (words.count > 1)
		return put_function(out, &words, fields);
	TRY(find_field(&value, words.items[0], fields));
	buffer_add_text(out, value);
	return NULL;
}

static fallible put_template(Buffer *out, const char *text, const StringMap *fields)
{
	for (const char *open = strstr(text, "{{"); open; open = strstr(text, "{{")) {
		const char *close = strstr(open, "}}");
		if (!close)
			return error_new(ERROR_INVALID, "\"{{\" without \"}}\"");
		buffer_add(out, text, (size_t)(open - text));
		TRY(put_action(out, open + 2, (size_t)(close - open - 2), fields));
		text = close + 2;
	}
	buffer_add_text(out, text);
	return NULL;
}

fallible log_tag_expand(char **ret, const char *text, const StringMap *fields)
{
	autoclear(Buffer) out = {0};

	buffer_init(&out, LOG_TAG_MAX);
	TRY_WRAP(
		put_template(&out, string_empty(text) ? "{{.ID}}" : text, fields), "template \"%s\"", text ? text : "");
	if (buffer_overflown(&out))
		return error_new(ERROR_INVALID, "the tag is longer than %d bytes", LOG_TAG_MAX);
	*ret = buffer_steal(&out);
	return NULL;
}

fallible log_tag_check(const char *text)
{
	autofree char *tag = NULL;

	return log_tag_expand(&tag, text, NULL);
}

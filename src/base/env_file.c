// SPDX-License-Identifier: Apache-2.0
#include "base/env_file.h"

#include <ctype.h>
#include <fcntl.h>
#include <string.h>

#include "base/files.h"
#include "base/memory.h"

#define BYTE_ORDER_MARK "\xef\xbb\xbf"

fallible env_word_add(StringList *list, const char *word)
{
	const char *ours;

	if (word[0] == '=' || !word[0])
		return error_new(ERROR_INVALID, "variable \"%s\" has no name", word);
	if (strchr(word, '='))
		strings_add(list, word);
	else if ((ours = getenv(word)))
		strings_printf(list, "%s=%s", word, ours);
	return NULL;
}

static fallible check_name(const char *line)
{
	size_t length = strcspn(line, "=");

	if (length == 0)
		return error_new(ERROR_INVALID, "variable \"%s\" has no name", line);
	for (size_t i = 0; i < length; i++)
		if (isspace((unsigned char)line[i]))
			return error_new(
				ERROR_INVALID, "variable \"%.*s\" has white space in its name", (int)length, line);
	return NULL;
}

static fallible add_line(StringList *list, const char *line, bool takes_ours)
{
	while (isspace((unsigned char)*line))
		line++;
	if (!*line || *line == '#')
		return NULL;
	TRY(check_name(line));
	if (takes_ours)
		return env_word_add(list, line);
	strings_add(list, line);
	return NULL;
}

fallible env_file_parse(StringList *list, const char *name, const char *text, size_t length, bool takes_ours)
{
	autoclear(StringList) lines = {0};

	if (!string_is_utf8(text, length) || strlen(text) != length)
		return error_new(ERROR_INVALID, "file \"%s\" is not text in UTF-8", name);
	if (string_starts(text, BYTE_ORDER_MARK))
		text += strlen(BYTE_ORDER_MARK);
	strings_split(&lines, text, '\n');
	for (size_t i = 0; i < lines.count; i++) {
		char *line = lines.items[i];
		size_t end = strlen(line);
		if (end > 0 && line[end - 1] == '\r')
			line[end - 1] = '\0';
		TRY_WRAP(add_line(list, line, takes_ours), "file \"%s\": line %zu", name, i + 1);
	}
	return NULL;
}

fallible env_file_read(StringList *list, const char *path, bool takes_ours)
{
	autofree char *text = NULL;
	size_t length;

	TRY(file_read(&text, &length, AT_FDCWD, path, ENV_FILE_MAX));
	return env_file_parse(list, path, text, length, takes_ours);
}

// SPDX-License-Identifier: Apache-2.0
#include "login/password_file.h"

#include <string.h>

#include "base/clock.h"
#include "base/memory.h"
#include "base/strings.h"

PasswordFile password_file_of(const struct stat *status)
{
	return (PasswordFile){.inode = status->st_ino,
		.size = status->st_size,
		.changed_ns = status->st_ctim.tv_sec * NANOS_PER_SECOND + status->st_ctim.tv_nsec};
}

bool password_file_equal(const PasswordFile *a, const PasswordFile *b)
{
	return a->inode == b->inode && a->size == b->size && a->changed_ns == b->changed_ns;
}

bool login_name_is_right(const char *name)
{
	size_t length = strlen(name);

	return length > 0 && length <= LOGIN_NAME_MAX &&
	       strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-@") == length;
}

fallible login_input_split(char *text, const char **ret_name, char **ret_password)
{
	char *end = strchr(text, '\n');

	if (!end)
		return error_new(ERROR_INVALID, "there is no password behind the name");
	*end = '\0';
	*ret_name = text;
	*ret_password = end + 1;
	return NULL;
}

static bool is_of(const char *line, const char *name)
{
	return string_starts(line, name) && line[strlen(name)] == ':';
}

char *password_file_find(const char *text, const char *name)
{
	autoclear(StringList) lines = {0};

	strings_split(&lines, text, '\n');
	for (size_t i = 0; i < lines.count; i++)
		if (is_of(lines.items[i], name))
			return mem_strdup(string_trim(lines.items[i] + strlen(name) + 1));
	return NULL;
}

void password_file_set(Buffer *ret, const char *text, const char *name, const char *hash)
{
	autoclear(StringList) lines = {0};

	strings_split(&lines, text, '\n');
	for (size_t i = 0; i < lines.count; i++)
		if (*lines.items[i] && !is_of(lines.items[i], name))
			buffer_printf(ret, "%s\n", lines.items[i]);
	if (hash)
		buffer_printf(ret, "%s:%s\n", name, hash);
}

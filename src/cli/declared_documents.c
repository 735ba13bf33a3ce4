// SPDX-License-Identifier: Apache-2.0
#include "cli/declared_documents.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/files.h"
#include "base/memory.h"

enum { DOCUMENT_MAX = 1 << 20, DOCUMENTS_MAX = 256 /* at a time, for the API */ };

static const char *const endings[] = {".yaml", ".yml", ".json"};

static char *name_of(const char *path)
{
	const char *slash = strrchr(path, '/'), *file = slash ? slash + 1 : path;

	for (size_t i = 0; i < COUNT(endings); i++)
		if (string_ends(file, endings[i]))
			return mem_strndup(file, strlen(file) - strlen(endings[i]));
	return mem_strdup(file);
}

static void add(Value *list, const char *name, const char *text)
{
	Value *item = value_object();

	value_set(item, "text", value_new_string(text));
	if (name)
		value_set(item, "name", value_new_string(name));
	value_append(list, item);
}

static fallible add_file(Value *list, const char *path)
{
	autofree char *text = NULL, *name = name_of(path);

	TRY(file_read(&text, NULL, AT_FDCWD, path, DOCUMENT_MAX));
	add(list, name, text);
	return NULL;
}

static fallible add_input(Value *list)
{
	autofree char *text = NULL;

	TRY(file_read_fd(&text, NULL, STDIN_FILENO, "standard input", DOCUMENT_MAX));
	add(list, NULL, text);
	return NULL;
}

static fallible note_file(void *arg, int dir, const char *name, unsigned char type)
{
	(void)dir;
	(void)type;
	for (size_t i = 0; i < COUNT(endings) && *name != '.'; i++)
		if (string_ends(name, endings[i]))
			strings_add(arg, name);
	return NULL;
}

static fallible too_many(size_t count, const char *path)
{
	return error_hint(error_new(ERROR_TOO_LARGE, "there are %zu declarations in %s: %d is the most at a time",
				  count, path, DOCUMENTS_MAX),
		"apply them in several steps");
}

static fallible add_directory(Value *list, const char *path)
{
	autoclear(StringList) names = {0};

	TRY(dir_each(AT_FDCWD, path, note_file, &names));
	if (names.count > DOCUMENTS_MAX) {
		autofree char *place = string_printf("\"%s\"", path);
		return too_many(names.count, place);
	}
	strings_sort(&names);
	for (size_t i = 0; i < names.count; i++) {
		autofree char *file = path_join(path, names.items[i]);
		TRY(add_file(list, file));
	}
	return NULL;
}

static fallible add_path(Value *list, const char *path)
{
	struct stat status;

	if (strcmp(path, "-") == 0)
		return add_input(list);
	if (stat(path, &status) < 0)
		return error_errno(errno, "could not read \"%s\"", path);
	return S_ISDIR(status.st_mode) ? add_directory(list, path) : add_file(list, path);
}

fallible declared_documents_read(Value **ret, const StringList *paths)
{
	autoptr(Value) body = value_object();
	Value *list = value_array();

	value_set(body, "containers", list);
	for (size_t i = 0; i < paths->count; i++) {
		TRY(add_path(list, paths->items[i]));
		if (value_count(list) > DOCUMENTS_MAX)
			return too_many(value_count(list), "the files that are named");
	}
	if (!value_count(list))
		return error_new(ERROR_INVALID, "there is no declaration in \"%s\"", paths->items[0]);
	*ret = take(body);
	return NULL;
}

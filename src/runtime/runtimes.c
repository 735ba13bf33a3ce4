// SPDX-License-Identifier: Apache-2.0
#include "runtime/runtimes.h"

#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/files.h"
#include "base/memory.h"
#include "runtime/runtimes_list.h"
#include "runtime/versions.h"

enum { RUNTIMES_MAX = 64 };

static const char *const known_names[] = {"crun", "runc"};

/* ---- finding ---- */

static bool is_program(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISREG(st.st_mode) && access(path, X_OK) == 0;
}

/* NULL when it is nowhere. */
static char *search(const char *name)
{
	autofree char *path =
		string_printf("%s:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin", getenv("PATH") ?: "");
	char *rest = path;

	for (char *directory; (directory = strsep(&rest, ":"));) {
		autofree char *candidate = path_join(directory, name);
		if (directory[0] == '/' && is_program(candidate))
			return take(candidate);
	}
	return NULL;
}

static Runtime *add(Runtimes *runtimes, const char *name, const char *path)
{
	runtimes->items = mem_array(runtimes->items, runtimes->count + 1, sizeof(Runtime));
	Runtime *runtime = &runtimes->items[runtimes->count++];

	*runtime = (Runtime){.name = mem_strdup(name), .path = mem_strdup(path)};
	return runtime;
}

static void split_words(StringList *ret, const char *text)
{
	autofree char *copy = mem_strdup(text);
	char *rest = copy;

	for (char *word; (word = strsep(&rest, " \t"));)
		if (*word)
			strings_add(ret, word);
}

/* "/usr/bin/crun --debug" */
static fallible add_words(Runtimes *runtimes, const char *name, const char *value)
{
	autoclear(StringList) words = {0};

	split_words(&words, value);
	if (!words.count || words.items[0][0] != '/')
		return error_new(ERROR_INVALID, "path \"%s\" of runtime \"%s\" must be absolute", value, name);
	if (words.count > 1 + RUNTIME_OPTIONS_MAX)
		return error_new(ERROR_INVALID, "runtime \"%s\" has more than %d options", name, RUNTIME_OPTIONS_MAX);
	if (!is_program(words.items[0]))
		return error_new(
			ERROR_INVALID, "runtime \"%s\": \"%s\" is not an executable file", name, words.items[0]);
	Runtime *runtime = add(runtimes, name, words.items[0]);
	strings_remove(&words, 0);
	strings_copy(&runtime->options, &words);
	return NULL;
}

static fallible add_configured(Runtimes *runtimes, const StringMap *configured)
{
	if (configured->count > RUNTIMES_MAX)
		return error_new(ERROR_INVALID, "more than %d runtimes are configured", RUNTIMES_MAX);
	for (size_t i = 0; i < configured->count; i++)
		TRY(add_words(runtimes, configured->items[i].key, configured->items[i].value));
	return NULL;
}

static void add_known(Runtimes *runtimes)
{
	for (size_t i = 0; i < COUNT(known_names); i++) {
		autofree char *path = runtimes_get(runtimes, known_names[i]) ? NULL : search(known_names[i]);
		if (path)
			add(runtimes, known_names[i], path);
	}
}

/* Without a choice: crun, else runc, else the first configured one. */
static fallible choose_default(Runtimes *runtimes, const char *name)
{
	if (!string_empty(name) && !runtimes_get(runtimes, name))
		return error_hint(
			error_new(ERROR_INVALID, "default runtime \"%s\" is neither configured nor installed", name),
			"install crun or runc, or set runtimes in kedged.yaml");
	for (size_t i = 0; string_empty(name) && i < COUNT(known_names); i++)
		if (runtimes_get(runtimes, known_names[i]))
			name = known_names[i];
	if (string_empty(name) && runtimes->count)
		name = runtimes->items[0].name;
	runtimes->default_name = mem_strdup(string_empty(name) ? "crun" : name);
	return NULL;
}

bool runtimes_is_found_by_itself(const char *name)
{
	return names_find(known_names, COUNT(known_names), name) >= 0;
}

/* What changes when another program comes to stand in its place. */
char *runtime_identity(const Runtime *runtime)
{
	struct stat st;

	if (stat(runtime->path, &st) < 0)
		return mem_strdup("");
	return string_printf("%" PRIu64 ":%" PRIu64 " %" PRId64 " %" PRId64 ".%09ld %s", (uint64_t)st.st_dev,
		(uint64_t)st.st_ino, (int64_t)st.st_size, (int64_t)st.st_mtim.tv_sec, st.st_mtim.tv_nsec,
		runtime->path);
}

fallible runtimes_find(Runtimes **ret, const StringMap *configured, const char *default_name, const char *memory)
{
	autoptr(Runtimes) runtimes = mem_new(Runtimes);

	TRY(add_configured(runtimes, configured));
	add_known(runtimes);
	TRY(choose_default(runtimes, default_name));
	versions_read(runtimes, memory);
	*ret = take(runtimes);
	return NULL;
}

Runtimes *runtimes_free(Runtimes *runtimes)
{
	if (!runtimes)
		return NULL;
	for (size_t i = 0; i < runtimes->count; i++) {
		free(runtimes->items[i].name);
		free(runtimes->items[i].path);
		free(runtimes->items[i].version);
		strings_clear(&runtimes->items[i].options);
	}
	free(runtimes->items);
	free(runtimes->default_name);
	free(runtimes);
	return NULL;
}

const Runtime *runtimes_get(const Runtimes *runtimes, const char *name)
{
	if (!name)
		name = runtimes->default_name;
	for (size_t i = 0; i < runtimes->count; i++)
		if (string_equal(runtimes->items[i].name, name))
			return &runtimes->items[i];
	return NULL;
}

const char *runtimes_default(const Runtimes *runtimes)
{
	return runtimes->default_name;
}

void runtimes_list(const Runtimes *runtimes, StringMap *ret)
{
	for (size_t i = 0; i < runtimes->count; i++) {
		const Runtime *runtime = &runtimes->items[i];
		autofree char *options = strings_join(&runtime->options, " ");
		autofree char *words = string_printf("%s%s%s", runtime->path, *options ? " " : "", options);
		map_set(ret, runtime->name, words);
	}
}

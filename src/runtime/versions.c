// SPDX-License-Identifier: Apache-2.0
#include "runtime/versions.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/files.h"
#include "base/memory.h"
#include "runtime/ask.h"
#include "runtime/runtimes_list.h"

static bool is_elf(const char *path)
{
	char magic[4] = "";
	autofd fd = open(path, O_RDONLY | O_CLOEXEC);

	return fd >= 0 && read(fd, magic, sizeof(magic)) == sizeof(magic) &&
	       memcmp(magic, "\177ELF", sizeof(magic)) == 0;
}

static void describe(Runtime *runtime, const char *output)
{
	runtime->version = mem_strndup(output, strcspn(output, "\n"));
	runtime->is_crun = string_starts(runtime->version, "crun version ");
}

/* ---- remembering: lines of a program's identity, a tab, its version ---- */

static bool recall(Runtime *runtime, const StringList *lines)
{
	autofree char *identity = runtime_identity(runtime);
	size_t length = strlen(identity);

	for (size_t i = 0; length && i < lines->count; i++) {
		const char *line = lines->items[i];
		if (string_starts(line, identity) && line[length] == '\t' && line[length + 1]) {
			describe(runtime, line + length + 1);
			return true;
		}
	}
	return false;
}

/* An absent or damaged file holds nobody. */
static void recall_all(Runtimes *runtimes, const char *memory)
{
	autoclear(StringList) lines = {0};
	autofree char *text = NULL;
	Error *error = file_read(&text, NULL, AT_FDCWD, memory, VERSIONS_MAX);

	if (!error)
		strings_split(&lines, text, '\n');
	error_free(error);
	for (size_t i = 0; i < runtimes->count; i++)
		if (runtimes->items[i].is_program)
			recall(&runtimes->items[i], &lines);
}

static void remember_all(const Runtimes *runtimes, const char *memory)
{
	autoclear(Buffer) text = {0};

	for (size_t i = 0; i < runtimes->count; i++) {
		autofree char *identity = runtime_identity(&runtimes->items[i]);
		if (*identity && runtimes->items[i].is_program && runtimes->items[i].version)
			buffer_printf(&text, "%s\t%s\n", identity, runtimes->items[i].version);
	}
	Error *error = file_replace(AT_FDCWD, memory, buffer_text(&text), text.length, 0600);
	if (error)
		error_log(error, "what runtimes said of themselves is not kept"); /* costs asking again */
}

/* ---- asking ---- */

static void ask_version(Ask *ask, const Runtime *runtime)
{
	const char *argv[] = {runtime->path, "--version", NULL};
	Error *error = ask_start(ask, argv, 1);

	if (error)
		error_log(error, "runtime \"%s\"", runtime->name);
}

static void ask_all(Runtimes *runtimes, const bool *wanted)
{
	Ask *asks = mem_array(NULL, runtimes->count + 1, sizeof(*asks));
	int64_t deadline_ns = ask_deadline_ns();

	for (size_t i = 0; i < runtimes->count; i++)
		if (wanted[i])
			ask_version(&asks[i], &runtimes->items[i]);
	for (size_t i = 0; i < runtimes->count; i++)
		if (wanted[i] && ask_finish(&asks[i], deadline_ns) == 0 && asks[i].length)
			describe(&runtimes->items[i], asks[i].text);
	free(asks);
}

void versions_read(Runtimes *runtimes, const char *memory)
{
	autofree bool *wanted = mem_array(NULL, runtimes->count + 1, sizeof(*wanted));
	size_t unknown_programs = 0;

	for (size_t i = 0; i < runtimes->count; i++)
		runtimes->items[i].is_program = is_elf(runtimes->items[i].path);
	if (memory)
		recall_all(runtimes, memory);
	for (size_t i = 0; i < runtimes->count; i++) {
		wanted[i] = !runtimes->items[i].version;
		unknown_programs += wanted[i] && runtimes->items[i].is_program;
	}
	ask_all(runtimes, wanted);
	if (memory && unknown_programs)
		remember_all(runtimes, memory);
}

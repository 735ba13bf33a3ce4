// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/files.h"
#include "base/memory.h"
#include "cli/api.h"
#include "cli/commands.h"

enum { DOCUMENT_MAX = 4 << 20 };

typedef struct ConvertOptions {
	bool help;
	char *from, *name, *output;
} ConvertOptions;

static const Option options[] = {
	HELP_OPTION(ConvertOptions),
	{"from", 0, OPTION_STRING, offsetof(ConvertOptions, from), "FORM",
		"auto, kedge, kura, kanto, inspect or compose (default: auto)",
		.complete = "auto kedge kura kanto inspect compose"},
	{"name", 0, OPTION_STRING, offsetof(ConvertOptions, name), "NAME",
		"name of the container where the document says none (default: the file's)"},
	{"output", 'o', OPTION_STRING, offsetof(ConvertOptions, output), "DIR",
		"write NAME.yaml for each container into a directory, in place of standard output", .complete = "file"},
	OPTION_END,
};

static bool is_standard_input(const char *file)
{
	return string_equal(file, "-");
}

static fallible read_document(char **ret, const char *file)
{
	if (is_standard_input(file))
		return file_read_fd(ret, NULL, STDIN_FILENO, "standard input", DOCUMENT_MAX);
	return file_read(ret, NULL, AT_FDCWD, file, DOCUMENT_MAX);
}

/* "web" of "/a/web.yaml" */
static char *name_of(const char *file)
{
	const char *slash = strrchr(file, '/'), *name = slash ? slash + 1 : file, *dot = strrchr(name, '.');

	return is_standard_input(file) ? NULL
				       : mem_strndup(name, dot && dot > name ? (size_t)(dot - name) : strlen(name));
}

/* What relative paths in it are of. */
static char *directory_of(const char *file)
{
	autofree char *path = mem_strdup(is_standard_input(file) ? "." : file);
	char *slash = strrchr(path, '/');

	if (is_standard_input(file) || !slash)
		return realpath(".", NULL);
	slash[slash == path] = '\0';
	return realpath(path, NULL);
}

static void make_target(Buffer *target, const ConvertOptions *given, const char *file)
{
	autofree char *name = given->name ? mem_strdup(given->name) : name_of(file), *directory = directory_of(file);

	buffer_add_text(target, "/kedge/v1/convert");
	target_query(target, "from", given->from);
	target_query(target, "name", name);
	target_query(target, "directory", directory);
}

/* ---- the answer ---- */

static void tell(const Value *container)
{
	const char *name = value_string(value_get(container, "Name"));
	const char *problem = value_string(value_get(container, "Problem"));
	const Value *notes = value_get(container, "Notes");

	for (size_t i = 0; i < value_count(notes); i++)
		fprintf(stderr, "%s: %s\n", name, value_string(value_at(notes, i)));
	if (!string_empty(problem))
		fprintf(stderr, "%s: cannot be converted: %s\n", name, problem);
}

static fallible write_file(const char *directory, const char *name, const Buffer *text)
{
	autofree char *file = string_printf("%s.yaml", name), *path = path_join(directory, file);

	return file_replace(AT_FDCWD, path, text->data, text->length, 0600);
}

/* Several on standard output are documents of one stream. */
static fallible put_declaration(const ConvertOptions *given, const Value *container, size_t *count)
{
	const Value *declaration = value_get(container, "Declaration");
	autoclear(Buffer) text = {0};

	if (value_is_null(declaration))
		return NULL;
	value_write_yaml(declaration, &text);
	if (given->output)
		return write_file(given->output, value_string(value_get(declaration, "name")), &text);
	if ((*count)++)
		puts("---");
	fputs(buffer_text(&text), stdout);
	return NULL;
}

static fallible run(Cli *cli, const void *opts, const StringList *arguments)
{
	const ConvertOptions *given = opts;
	autofree char *document = NULL;
	autoclear(Buffer) target = {0};
	autoptr(Value) answer = NULL;
	size_t failed = 0, count = 0;

	TRY(read_document(&document, arguments->items[0]));
	make_target(&target, given, arguments->items[0]);
	TRY(api_post(cli, &answer, buffer_text(&target), document));
	const Value *containers = value_get(answer, "Containers");
	for (size_t i = 0; i < value_count(containers); i++) {
		const Value *container = value_at(containers, i);
		tell(container);
		failed += value_is_null(value_get(container, "Declaration"));
		TRY(put_declaration(given, container, &count));
	}
	if (failed)
		return error_new(
			ERROR_INVALID, "%zu of %zu containers could not be converted", failed, value_count(containers));
	return NULL;
}

const Command convert_command = {
	.name = "convert",
	.usage = "[OPTIONS] FILE|-",
	.summary = "Turn Kura's, Kanto's, inspected and compose's containers into declarations",
	.example = "convert -o /etc/kedge/containers.d docker-compose.yaml",
	.options = options,
	.options_size = sizeof(ConvertOptions),
	.arguments_min = 1,
	.arguments_max = 1,
	.arguments = "file",
	.run = run,
};

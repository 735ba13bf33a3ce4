// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>

#include "base/memory.h"
#include "cli/api.h"
#include "cli/commands.h"
#include "cli/declared_changes.h"
#include "cli/facts.h"

typedef struct DiffOptions {
	bool help;
	char *format;
	StringList files;
} DiffOptions;

static const Option options[] = {
	HELP_OPTION(DiffOptions),
	{"file", 'f', OPTION_LIST, offsetof(DiffOptions, files), "FILE",
		"what applying it would change: a declaration, a directory of them, or - for standard input",
		.complete = "file"},
	{"format", 0, OPTION_STRING, offsetof(DiffOptions, format), "FORMAT",
		"\"json\", or a template such as \"{{.Kind}} {{.Path}}\"", .complete = "json"},
	OPTION_END,
};

/* The API's number of it as Docker's letter. */
static Value *change_value(const Value *change)
{
	static const char *const kinds[] = {"C", "A", "D"};
	int64_t kind = value_int(value_get(change, "Kind"), -1);
	const char *path = value_string(value_get(change, "Path"));
	Value *value = value_object();

	value_set(value, "Kind", value_new_string(kind >= 0 && kind < (int64_t)COUNT(kinds) ? kinds[kind] : "?"));
	value_set(value, "Path", value_new_string(path ? path : ""));
	return value;
}

static fallible diff_container(Cli *cli, const DiffOptions *given, const char *name)
{
	const char *format = given->format ? given->format : "{{.Kind}} {{.Path}}";
	autoclear(Buffer) target = {0}, out = {0};
	autoptr(Value) changes = NULL;

	TRY(facts_check(given->format));
	target_path(&target, "/containers/", name, "/changes");
	TRY(api_get(cli, &changes, buffer_text(&target)));
	for (size_t i = 0; i < value_count(changes); i++) {
		autoptr(Value) change = change_value(value_at(changes, i));
		TRY(facts_format(&out, format, change));
	}
	fputs(buffer_text(&out), stdout);
	return NULL;
}

/* As diff(1): the status is 1 when something differs. */
static fallible diff_declared(Cli *cli, const StringList *files)
{
	autoptr(Value) answer = NULL;

	TRY(declared_apply(cli, &answer, files, true));
	const Value *list = value_get(answer, "changes");
	for (size_t i = 0; i < value_count(list); i++)
		declared_print_change(value_at(list, i), true);
	cli->status = declared_differs(list) ? EXIT_FAILED : EXIT_OK;
	return NULL;
}

static fallible run(Cli *cli, const void *opts, const StringList *arguments)
{
	const DiffOptions *given = opts;

	if (given->files.count && arguments->count)
		return error_new(ERROR_INVALID, "a container and --file are two questions");
	if (given->files.count)
		return diff_declared(cli, &given->files);
	if (!arguments->count)
		return error_hint(error_new(ERROR_INVALID, "\"kedge diff\" takes exactly 1 argument: kedge diff %s",
					  diff_command.usage),
			"for example: kedge diff web");
	return diff_container(cli, given, arguments->items[0]);
}

static const char *const aliases[] = {"container diff", NULL};

const Command diff_command = {
	.name = "diff",
	.aliases = aliases,
	.usage = "[OPTIONS] CONTAINER | --file FILE",
	.summary = "Show what a container has changed of its image, or a declaration would",
	.example = "diff web",
	.options = options,
	.options_size = sizeof(DiffOptions),
	.arguments_max = 1,
	.arguments = "container",
	.run = run,
};

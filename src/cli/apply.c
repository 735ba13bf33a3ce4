// SPDX-License-Identifier: Apache-2.0
#include "cli/commands.h"
#include "cli/declared_changes.h"
#include "cli/declared_wait.h"

typedef struct ApplyOptions {
	bool help, dry_run;
	StringList files;
	int64_t wait_ns; /* negative: not at all */
} ApplyOptions;

static const ApplyOptions defaults = {.wait_ns = -1};

static const Option options[] = {
	HELP_OPTION(ApplyOptions),
	{"dry-run", 0, OPTION_SWITCH, offsetof(ApplyOptions, dry_run),
		.help = "show what would change, and change nothing"},
	{"file", 'f', OPTION_LIST, offsetof(ApplyOptions, files), "FILE",
		"a declaration, a directory of them, or - for standard input", .complete = "file"},
	{"wait", 0, OPTION_DURATION, offsetof(ApplyOptions, wait_ns), "TIMEOUT",
		"wait until they are as declared, or until that is given up (default TIMEOUT: 10m)", .alone = "10m"},
	OPTION_END,
};

static fallible wait_for(Cli *cli, const Value *changes, int64_t timeout_ns)
{
	autoclear(StringList) names = {0};

	for (size_t i = 0; i < value_count(changes); i++)
		strings_add(&names, value_string(value_path(value_at(changes, i), "name")));
	return declared_wait(cli, &names, timeout_ns);
}

static fallible run(Cli *cli, const void *opts, const StringList *arguments)
{
	const ApplyOptions *given = opts;
	autoptr(Value) answer = NULL;

	(void)arguments;
	if (!given->files.count)
		return error_hint(error_new(ERROR_INVALID, "nothing is to be applied"), "name a file: --file FILE");
	TRY(declared_apply(cli, &answer, &given->files, given->dry_run));
	const Value *changes = value_get(answer, "changes");
	for (size_t i = 0; i < value_count(changes); i++)
		declared_print_change(value_at(changes, i), given->dry_run);
	return given->dry_run || given->wait_ns < 0 ? NULL : wait_for(cli, changes, given->wait_ns);
}

const Command apply_command = {
	.name = "apply",
	.usage = "[OPTIONS] --file FILE",
	.summary = "Declare containers: they are made so, and kept so",
	.example = "apply --wait --file web.yaml",
	.options = options,
	.options_size = sizeof(ApplyOptions),
	.defaults = &defaults,
	.run = run,
};

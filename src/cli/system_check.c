// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>

#include "cli/api.h"
#include "cli/commands.h"

typedef struct CheckOptions {
	bool help, repair;
} CheckOptions;

static const Option options[] = {
	HELP_OPTION(CheckOptions),
	{"repair", 0, OPTION_SWITCH, offsetof(CheckOptions, repair),
		.help = "put right what is wrong; what was set aside earlier is removed for good"},
	OPTION_END,
};

static void print_list(const Value *list)
{
	for (size_t i = 0; i < value_count(list); i++)
		puts(value_string(value_at(list, i)));
}

static fallible run(Cli *cli, const void *opts, const StringList *arguments)
{
	const CheckOptions *given = opts;
	autoclear(Buffer) target = {0};
	autoptr(Value) answer = NULL;

	(void)arguments;
	buffer_add_text(&target, "/kedge/v1/system/check");
	target_query_flag(&target, "repair", given->repair);
	TRY(api_post(cli, &answer, buffer_text(&target), NULL));
	const Value *left = value_get(answer, given->repair ? "Remaining" : "Problems");
	print_list(value_get(answer, "Problems"));
	fflush(stdout);
	if (!value_count(left))
		return NULL;
	if (given->repair)
		return error_new(ERROR_CONFLICT, "%zu of these could not be put right", value_count(left));
	return error_hint(error_new(ERROR_CONFLICT, "%zu problems were found", value_count(left)),
		"\"kedge system check --repair\" puts right what can be");
}

const Command system_check_command = {
	.name = "system check",
	.usage = "[OPTIONS]",
	.summary = "Look for what is broken or left over, and put it right",
	.options = options,
	.options_size = sizeof(CheckOptions),
	.run = run,
};

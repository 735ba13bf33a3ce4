// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>

#include "cli/api.h"
#include "cli/commands.h"
#include "cli/facts.h"

typedef struct CheckOptions {
	bool help, quiet, repair;
	char *format;
} CheckOptions;

static const Option options[] = {
	HELP_OPTION(CheckOptions),
	FORMAT_OPTION(CheckOptions, "{{len .Problems}}"),
	{"quiet", 'q', OPTION_SWITCH, offsetof(CheckOptions, quiet), .help = "print nothing: the exit status says it"},
	{"repair", 0, OPTION_SWITCH, offsetof(CheckOptions, repair),
		.help = "put right what is wrong; what was set aside earlier is removed for good"},
	OPTION_END,
};

/* ---- what is told ---- */

static void add_count(Buffer *out, int64_t count, const char *noun)
{
	buffer_printf(out, "%s%lld %s%s", out->length ? ", " : "", (long long)count, noun, count == 1 ? "" : "s");
}

/* That all is well says more with what was looked at. */
static fallible print_all_well(Cli *cli)
{
	autoptr(Value) info = NULL;
	autoptr(Value) volumes = NULL;
	autoclear(Buffer) counts = {0};

	TRY(api_get(cli, &info, "/info"));
	TRY(api_get(cli, &volumes, "/volumes"));
	add_count(&counts, value_int(value_get(info, "Containers"), 0), "container");
	add_count(&counts, value_int(value_get(info, "Images"), 0), "image");
	add_count(&counts, (int64_t)value_count(value_get(volumes, "Volumes")), "volume");
	printf("all is well: %s\n", buffer_text(&counts));
	return NULL;
}

static fallible print_format(const char *format, const Value *answer)
{
	autoclear(Buffer) out = {0};

	TRY(facts_format(&out, format, answer));
	fputs(buffer_text(&out), stdout);
	return NULL;
}

static fallible print_answer(Cli *cli, const CheckOptions *given, const Value *answer)
{
	const Value *problems = value_get(answer, "Problems");

	if (given->format)
		return print_format(given->format, answer);
	if (given->quiet)
		return NULL;
	for (size_t i = 0; i < value_count(problems); i++)
		puts(value_string(value_at(problems, i)));
	if (given->repair && value_count(problems) && !value_count(value_get(answer, "Remaining")))
		printf("all of it was put right\n");
	return value_count(problems) ? NULL : print_all_well(cli);
}

/* ---- the command ---- */

static fallible conclude(Cli *cli, const CheckOptions *given, const Value *answer)
{
	size_t left = value_count(value_get(answer, given->repair ? "Remaining" : "Problems"));

	if (left == 0)
		return NULL;
	cli->status = EXIT_FAILED;
	if (given->quiet)
		return NULL;
	if (given->repair)
		return error_new(ERROR_CONFLICT, "%zu of these could not be put right", left);
	return error_hint(error_new(ERROR_CONFLICT, "%zu problem%s found", left, left == 1 ? " was" : "s were"),
		"\"kedge system check --repair\" puts right what can be");
}

static fallible run(Cli *cli, const void *opts, const StringList *arguments)
{
	const CheckOptions *given = opts;
	autoclear(Buffer) target = {0};
	autoptr(Value) answer = NULL;

	(void)arguments;
	TRY(facts_check(given->format));
	buffer_add_text(&target, "/kedge/v1/system/check");
	target_query_flag(&target, "repair", given->repair);
	TRY(api_post(cli, &answer, buffer_text(&target), NULL));
	TRY(print_answer(cli, given, answer));
	fflush(stdout);
	return conclude(cli, given, answer);
}

const Command system_check_command = {
	.name = "system check",
	.usage = "[OPTIONS]",
	.summary = "Look for what is broken or left over, and put it right",
	.options = options,
	.options_size = sizeof(CheckOptions),
	.run = run,
};

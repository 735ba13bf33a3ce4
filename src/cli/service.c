// SPDX-License-Identifier: Apache-2.0
/* "service show", "on", "off" and "set": the service's own options. */
#include <stdio.h>

#include "cli/api.h"
#include "cli/commands.h"
#include "cli/declared_changes.h"
#include "cli/facts.h"
#include "cli/policy_lines.h"

#define TARGET "/kedge/v1/service"

typedef struct ChangeOptions {
	bool help, dry_run;
} ChangeOptions;

static const Option show_table[] = {
	HELP_OPTION(FactsOptions),
	FORMAT_OPTION(FactsOptions, "{{.enabled}}"),
	OPTION_END,
};

static const Option change_table[] = {
	HELP_OPTION(ChangeOptions),
	{"dry-run", 0, OPTION_SWITCH, offsetof(ChangeOptions, dry_run),
		.help = "show which containers would be removed or stopped, and change nothing"},
	OPTION_END,
};

/* ---- what holds ---- */

static const char *switch_word(const Value *truth)
{
	return value_bool(truth, false) ? "on" : "off";
}

static void print_summary(const Value *answer)
{
	const char *url = value_string(value_path(answer, "engine.url"));

	printf("declared containers are %s\n", value_bool(value_get(answer, "enabled"), false) ? "kept" : "removed");
	printf("another engine: %s\n", url && *url ? url : "none");
	printf("enforcement is %s\n", switch_word(value_path(answer, "enforcement.enabled")));
	rules_print(value_path(answer, "enforcement.rules"));
	problem_print(value_get(answer, "status"));
}

static fallible run_show(Cli *cli, const void *opts, const StringList *arguments)
{
	const FactsOptions *given = opts;

	(void)arguments;
	return facts_show(cli, given->format, TARGET, print_summary);
}

const Command service_show_command = {
	.name = "service show",
	.usage = "[OPTIONS]",
	.summary = "Show the service's own options",
	.options = show_table,
	.options_size = sizeof(FactsOptions),
	.run = run_show,
};

/* ---- changes ---- */

static void print_answer(const ChangeOptions *given, const Value *answer)
{
	if (given->dry_run)
		removals_print(answer);
	else
		print_summary(answer);
}

static fallible change(Cli *cli, const ChangeOptions *given, const Value *fields)
{
	autoclear(Buffer) target = {0}, body = {0};
	autoptr(Value) answer = NULL;

	buffer_add_text(&target, TARGET "/fields");
	target_query_flag(&target, "dry-run", given->dry_run);
	value_write(fields, &body);
	TRY(api_post(cli, &answer, buffer_text(&target), buffer_text(&body)));
	print_answer(given, answer);
	return NULL;
}

static fallible switch_it(Cli *cli, const ChangeOptions *given, const char *truth)
{
	autoptr(Value) fields = value_object();

	value_set(fields, "enabled", value_new_string(truth));
	return change(cli, given, fields);
}

static fallible run_on(Cli *cli, const void *opts, const StringList *arguments)
{
	(void)arguments;
	return switch_it(cli, opts, "true");
}

static fallible run_off(Cli *cli, const void *opts, const StringList *arguments)
{
	(void)arguments;
	return switch_it(cli, opts, "false");
}

static fallible run_set(Cli *cli, const void *opts, const StringList *arguments)
{
	autoptr(Value) fields = value_object();

	TRY(declared_read_fields(fields, arguments, 0));
	return change(cli, opts, fields);
}

const Command service_on_command = {
	.name = "service on",
	.usage = "[OPTIONS]",
	.summary = "Keep declared containers",
	.options = change_table,
	.options_size = sizeof(ChangeOptions),
	.run = run_on,
};

const Command service_off_command = {
	.name = "service off",
	.usage = "[OPTIONS]",
	.summary = "Remove all declared containers; their declarations stay",
	.options = change_table,
	.options_size = sizeof(ChangeOptions),
	.run = run_off,
};

const Command service_set_command = {
	.name = "service set",
	.usage = "[OPTIONS] FIELD=VALUE [FIELD=VALUE...]",
	.summary = "Change the service's own options",
	.example = "service set engine.url=unix:///run/docker.sock",
	.options = change_table,
	.options_size = sizeof(ChangeOptions),
	.arguments_min = 1,
	.arguments_max = ANY_ARGUMENTS,
	.run = run_set,
};

// SPDX-License-Identifier: Apache-2.0
/* "enforcement show", "on", "off", "allow", "disallow", "dry-run" and "removed": which images may run. */
#include <stdio.h>

#include "cli/api.h"
#include "cli/commands.h"
#include "cli/facts.h"
#include "cli/policy_lines.h"
#include "json/writer.h"

#define TARGET "/kedge/v1/enforcement"

typedef struct PlainOptions {
	bool help;
} PlainOptions;

static const Option show_table[] = {
	HELP_OPTION(FactsOptions),
	FORMAT_OPTION(FactsOptions, "{{.enabled}}"),
	OPTION_END,
};

static const Option removals_table[] = {
	HELP_OPTION(FactsOptions),
	FORMAT_OPTION(FactsOptions, "{{len .removals}}"),
	OPTION_END,
};

static const Option plain_table[] = {
	HELP_OPTION(PlainOptions),
	OPTION_END,
};

/* ---- what holds ---- */

static void print_summary(const Value *answer)
{
	const Value *status = value_get(answer, "status");
	long long allowed = value_int(value_get(status, "allowed"), 0);
	long long pinned = value_int(value_get(status, "pinned"), 0);

	printf("enforcement is %s: %lld digest%s allowed",
		value_bool(value_get(answer, "enabled"), false) ? "on" : "off", allowed,
		allowed == 1 ? " is" : "s are");
	printf(pinned ? ", %lld of them by declarations\n" : "\n", pinned);
	problem_print(status);
}

static void print_whole(const Value *answer)
{
	const Value *allowlist = value_get(answer, "allowlist");

	print_summary(answer);
	rules_print(value_get(answer, "rules"));
	for (size_t i = 0; i < value_count(allowlist); i++)
		puts(value_string(value_at(allowlist, i)));
}

static fallible run_show(Cli *cli, const void *opts, const StringList *arguments)
{
	const FactsOptions *given = opts;

	(void)arguments;
	return facts_show(cli, given->format, TARGET, print_whole);
}

const Command enforcement_show_command = {
	.name = "enforcement show",
	.usage = "[OPTIONS]",
	.summary = "Show which images may run, and the rules",
	.options = show_table,
	.options_size = sizeof(FactsOptions),
	.run = run_show,
};

/* ---- changes ---- */

static fallible switch_it(Cli *cli, bool is_on)
{
	autoptr(Value) answer = NULL;

	TRY(api_send(cli, &answer, "PATCH", TARGET, is_on ? "{\"enabled\":true}" : "{\"enabled\":false}"));
	print_summary(answer);
	return NULL;
}

static fallible run_on(Cli *cli, const void *opts, const StringList *arguments)
{
	(void)opts;
	(void)arguments;
	return switch_it(cli, true);
}

static fallible run_off(Cli *cli, const void *opts, const StringList *arguments)
{
	(void)opts;
	(void)arguments;
	return switch_it(cli, false);
}

static fallible edit(Cli *cli, const char *how, const StringList *entries)
{
	autoclear(Buffer) body = {0};
	autoptr(Value) answer = NULL;
	Writer writer;

	writer_init(&writer, &body);
	write_object(&writer, NULL);
	write_strings(&writer, how, entries);
	write_object_end(&writer);
	TRY(api_post(cli, &answer, TARGET "/allowlist", buffer_text(&body)));
	print_summary(answer);
	return NULL;
}

static fallible run_allow(Cli *cli, const void *opts, const StringList *arguments)
{
	(void)opts;
	return edit(cli, "add", arguments);
}

static fallible run_disallow(Cli *cli, const void *opts, const StringList *arguments)
{
	(void)opts;
	return edit(cli, "remove", arguments);
}

const Command enforcement_on_command = {
	.name = "enforcement on",
	.usage = "[OPTIONS]",
	.summary = "Let only images of the allow-list run; containers of others are removed",
	.options = plain_table,
	.options_size = sizeof(PlainOptions),
	.run = run_on,
};

const Command enforcement_off_command = {
	.name = "enforcement off",
	.usage = "[OPTIONS]",
	.summary = "Let every image run that no rule refuses",
	.options = plain_table,
	.options_size = sizeof(PlainOptions),
	.run = run_off,
};

const Command enforcement_allow_command = {
	.name = "enforcement allow",
	.usage = "[OPTIONS] DIGEST [DIGEST...]",
	.summary = "Put digests on the allow-list",
	.example = "enforcement allow registry.example/web@sha256:1f2e...",
	.options = plain_table,
	.options_size = sizeof(PlainOptions),
	.arguments_min = 1,
	.arguments_max = ANY_ARGUMENTS,
	.run = run_allow,
};

const Command enforcement_disallow_command = {
	.name = "enforcement disallow",
	.usage = "[OPTIONS] DIGEST [DIGEST...]",
	.summary = "Take digests off the allow-list; while it is on, their containers are removed",
	.options = plain_table,
	.options_size = sizeof(PlainOptions),
	.arguments_min = 1,
	.arguments_max = ANY_ARGUMENTS,
	.run = run_disallow,
};

/* ---- what it removes ---- */

static void print_removals(const Value *answer)
{
	removals_print(answer);
}

static fallible run_dry(Cli *cli, const void *opts, const StringList *arguments)
{
	const FactsOptions *given = opts;
	autoptr(Value) answer = NULL;

	(void)arguments;
	TRY(facts_check(given->format));
	TRY(api_post(cli, &answer, TARGET "/dry-run", NULL));
	if (given->format)
		return facts_print(given->format, answer);
	print_removals(answer);
	return NULL;
}

static fallible run_removed(Cli *cli, const void *opts, const StringList *arguments)
{
	const FactsOptions *given = opts;

	(void)arguments;
	return facts_show(cli, given->format, TARGET "/removed", print_removals);
}

const Command enforcement_dry_run_command = {
	.name = "enforcement dry-run",
	.usage = "[OPTIONS]",
	.summary = "Show which containers would be removed or stopped if enforcement were switched on",
	.options = removals_table,
	.options_size = sizeof(FactsOptions),
	.run = run_dry,
};

const Command enforcement_removed_command = {
	.name = "enforcement removed",
	.usage = "[OPTIONS]",
	.summary = "Show which containers enforcement has removed, and why",
	.options = removals_table,
	.options_size = sizeof(FactsOptions),
	.run = run_removed,
};

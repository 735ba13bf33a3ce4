// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>

#include "cli/api.h"
#include "cli/commands.h"
#include "cli/facts.h"

static const Option options[] = {
	HELP_OPTION(FactsOptions),
	FORMAT_OPTION(FactsOptions, "{{len .Drops}}"),
	OPTION_END,
};

static void print_list(const char *heading, const Value *list)
{
	if (!value_count(list))
		return;
	printf("\n%s:\n", heading);
	for (size_t i = 0; i < value_count(list); i++)
		printf("  %s\n", value_string(value_at(list, i)));
}

/* Sets of addresses have one of each family, of the same purpose: said once. */
static void print_set(const Value *set, const char *last_purpose)
{
	const Value *elements = value_get(set, "Elements");
	const char *purpose = value_string(value_get(set, "Purpose"));

	if (!string_equal(purpose, last_purpose))
		printf("\n%s:\n", purpose);
	for (size_t i = 0; i < value_count(elements); i++)
		printf("  %s\n", value_string(value_at(elements, i)));
}

static void print_table(const Value *answer)
{
	const Value *sets = value_get(answer, "Sets");
	const char *purpose = NULL;

	if (!value_count(sets)) {
		printf("nothing is in place: no container has needed a network yet\n");
		return;
	}
	printf("table \"inet %s\" of nf_tables is in place: ports and networks are elements of its sets\n"
	       "packets to or from 127.0.0.0/8 that are not the host's own are dropped\n",
		value_string(value_get(answer, "Table")));
	for (size_t i = 0; i < value_count(sets); i++) {
		print_set(value_at(sets, i), purpose);
		purpose = value_string(value_get(value_at(sets, i), "Purpose"));
	}
}

static void print_drop(const Value *drop)
{
	const Value *lines = value_get(drop, "Lines");

	printf("\n%s\nto open the way (%s):\n", value_string(value_get(drop, "What")),
		value_string(value_get(drop, "Manager")));
	for (size_t i = 0; i < value_count(lines); i++)
		printf("  %s\n", value_string(value_at(lines, i)));
}

static void print_answer(const Value *answer)
{
	const Value *drops = value_get(answer, "Drops");

	print_table(answer);
	print_list("switches of the kernel that were set for this", value_get(answer, "Settings"));
	print_list("put into the rules of others", value_get(answer, "Opened"));
	for (size_t i = 0; i < value_count(drops); i++)
		print_drop(value_at(drops, i));
	if (!value_count(drops))
		printf("\nno rules of others drop packets of containers\n");
}

static fallible run(Cli *cli, const void *opts, const StringList *arguments)
{
	const FactsOptions *given = opts;

	(void)arguments;
	return facts_show(cli, given->format, "/kedge/v1/system/firewall", print_answer);
}

const Command system_firewall_command = {
	.name = "system firewall",
	.usage = "[OPTIONS]",
	.summary = "Show what is in place for networks, and what others' rules drop",
	.options = options,
	.options_size = sizeof(FactsOptions),
	.run = run,
};

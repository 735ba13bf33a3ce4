// SPDX-License-Identifier: Apache-2.0
/*
 * Fills the templates of kedge's man pages and bash completion from the tables that the program itself uses (src/cli),
 * so that they cannot differ from it. cli-docs man COMMAND < TEMPLATE     @HEAD@ @OPTIONS@, and @COMMANDS@
 * @GLOBAL_OPTIONS@ for kedge itself (COMMAND "-") cli-docs completion < TEMPLATE      @TABLES@ cli-docs list the
 * commands, one a line
 */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "cli/cli.h"
#include "cli/global.h"

static bool is_end(const Option *option)
{
	return !option->name && option->kind == OPTION_SWITCH;
}

static bool takes_value(const Option *option)
{
	return option->kind != OPTION_SWITCH && option->kind != OPTION_HEADING && option->kind != OPTION_REFUSED;
}

static const Command *find(const char *name)
{
	for (const Command *const *command = commands; *command; command++)
		if (string_equal((*command)->name, name))
			return *command;
	return NULL;
}

/* ---- scdoc ---- */

/* Text in which scdoc sees no markup. */
static void put_escaped(const char *text)
{
	for (; *text; text++) {
		if (strchr("\\*_#", *text))
			putchar('\\');
		putchar(*text);
	}
}

static void put_sentence(const char *text)
{
	put_escaped(text);
	puts(".");
}

static void put_option(const Option *option)
{
	if (option->letter)
		printf("*-%c*, ", option->letter);
	printf("*--%s*", option->name);
	if (takes_value(option)) {
		printf(option->alone ? "[=_" : " _");
		put_escaped(option->argument);
		printf(option->alone ? "_]" : "_");
	}
	printf("\n\t");
	put_sentence(option->help);
	putchar('\n');
}

static void put_available(const Option *table)
{
	for (const Option *option = table; !is_end(option); option++) {
		if (option->kind == OPTION_HEADING)
			printf("## %.*s\n\n", (int)strcspn(option->help, ":"), option->help);
		else if (option->kind != OPTION_REFUSED)
			put_option(option);
	}
}

static bool has_refused(const Option *table)
{
	for (; !is_end(table); table++)
		if (table->kind == OPTION_REFUSED)
			return true;
	return false;
}

/* Is there an option before this one that is refused for the same reason? */
static bool reason_was_said(const Option *table, const Option *option)
{
	for (; table != option; table++)
		if (table->kind == OPTION_REFUSED && string_equal(table->help, option->help))
			return true;
	return false;
}

static void put_reason(const Option *first)
{
	const char *separator = "";

	for (const Option *option = first; !is_end(option); option++) {
		if (option->kind != OPTION_REFUSED || !string_equal(option->help, first->help))
			continue;
		printf("%s*--%s*", separator, option->name);
		separator = ", ";
	}
	printf("\n\t");
	put_sentence(first->help);
	putchar('\n');
}

static void put_refused(const Option *table)
{
	if (!has_refused(table))
		return;
	printf("# NOT AVAILABLE\n\nThese options of docker's are known and refused:\n\n");
	for (const Option *option = table; !is_end(option); option++)
		if (option->kind == OPTION_REFUSED && !reason_was_said(table, option))
			put_reason(option);
}

static void put_options(const Option *table)
{
	printf("# OPTIONS\n\n");
	put_available(table);
	put_refused(table);
}

static char *page_name(const char *command)
{
	char *name = string_printf("kedge-%s", command);

	for (char *c = name; *c; c++)
		if (*c == ' ')
			*c = '-';
	return name;
}

static void put_head(const Command *command)
{
	autofree char *page = page_name(command->name);

	printf("%s(1)\n\n# NAME\n\n%s - %c%s\n\n# SYNOPSIS\n\n*kedge %s* ", page, page,
		tolower((unsigned char)command->summary[0]), command->summary + 1, command->name);
	put_escaped(command->usage);
	putchar('\n');
	for (const char *const *alias = command->aliases; alias && *alias; alias++) {
		printf("\n*kedge %s* ", *alias);
		put_escaped(command->usage);
		putchar('\n');
	}
}

static void put_commands(void)
{
	for (const Command *const *command = commands; *command; command++) {
		autofree char *page = page_name((*command)->name);
		printf("*%s*(1)\n\t", page);
		put_sentence((*command)->summary);
		putchar('\n');
	}
}

/* ---- bash ---- */

static void put_option_words(const Option *table, bool with_value_only)
{
	for (const Option *option = table; !is_end(option); option++) {
		if (option->kind == OPTION_HEADING || option->kind == OPTION_REFUSED ||
			(with_value_only && (!takes_value(option) || option->alone)))
			continue;
		printf(" --%s", option->name);
		if (option->letter && with_value_only)
			printf(" -%c", option->letter);
	}
}

static void put_option_case(const char *name, const Option *table)
{
	printf("\t\"%s\")\n\t\t_kedge_options='", name);
	put_option_words(table, false);
	printf(" '\n\t\t_kedge_valued='");
	put_option_words(table, true);
	printf(" '\n\t\t;;\n");
}

static void put_value_cases(const char *name, const Option *table)
{
	for (const Option *option = table; !is_end(option); option++) {
		if (!option->complete)
			continue;
		printf("\t\"%s --%s\"", name, option->name);
		if (option->letter)
			printf(" | \"%s -%c\"", name, option->letter);
		printf(") echo \"%s\" ;;\n", option->complete);
	}
}

static void put_alias_cases(void)
{
	for (const Command *const *command = commands; *command; command++)
		for (const char *const *alias = (*command)->aliases; alias && *alias; alias++)
			printf("\t\"%s\") echo \"%s\" ;;\n", *alias, (*command)->name);
	printf("\t*) echo \"$1\" ;;\n");
}

static void put_command_names(void)
{
	for (const Command *const *command = commands; *command; command++)
		if (!strchr((*command)->name, ' '))
			printf(" %s", (*command)->name);
}

/* What may follow "container", "image", ... */
static void put_group_words(const char *group)
{
	size_t length = strlen(group);

	for (const Command *const *command = commands; *command; command++) {
		if (string_starts((*command)->name, group) && (*command)->name[length] == ' ')
			printf(" %s", (*command)->name + length + 1);
		for (const char *const *alias = (*command)->aliases; alias && *alias; alias++)
			if (string_starts(*alias, group) && (*alias)[length] == ' ')
				printf(" %s", *alias + length + 1);
	}
}

static void put_tables(void)
{
	printf("_kedge_commands='");
	put_command_names();
	for (const char *const *group = command_groups; *group; group++)
		printf(" %s", *group);
	printf(" help '\n\n_kedge_group() {\n\tcase $1 in\n");
	for (const char *const *group = command_groups; *group; group++) {
		printf("\t%s) echo '", *group);
		put_group_words(*group);
		printf("' ;;\n");
	}
	printf("\tesac\n}\n\n_kedge_canonical() {\n\tcase $1 in\n");
	put_alias_cases();
	printf("\tesac\n}\n\n_kedge_load() {\n\tcase $1 in\n");
	put_option_case("", global_options);
	for (const Command *const *command = commands; *command; command++)
		put_option_case((*command)->name, (*command)->options);
	printf("\t*) _kedge_options='' _kedge_valued='' ;;\n\tesac\n}\n\n_kedge_value_hint() {\n\tcase \"$1 $2\" in\n");
	put_value_cases("", global_options);
	for (const Command *const *command = commands; *command; command++)
		put_value_cases((*command)->name, (*command)->options);
	printf("\tesac\n}\n\n_kedge_argument_hint() {\n\tcase $1 in\n");
	for (const Command *const *command = commands; *command; command++)
		if ((*command)->arguments)
			printf("\t\"%s\") echo \"%s\" ;;\n", (*command)->name, (*command)->arguments);
	printf("\tesac\n}\n");
}

/* ---- templates ---- */

/* False: the line is no placeholder. */
static bool fill(const char *line, const Command *command)
{
	if (string_equal(line, "@HEAD@") && command)
		put_head(command);
	else if (string_equal(line, "@OPTIONS@") && command)
		put_options(command->options);
	else if (string_equal(line, "@COMMANDS@"))
		put_commands();
	else if (string_equal(line, "@GLOBAL_OPTIONS@"))
		put_options(global_options);
	else if (string_equal(line, "@TABLES@"))
		put_tables();
	else
		return false;
	return true;
}

static int fill_template(const Command *command)
{
	char line[4096];

	while (fgets(line, sizeof(line), stdin)) {
		line[strcspn(line, "\n")] = '\0';
		if (!fill(line, command))
			puts(line);
	}
	return ferror(stdin) || fflush(stdout) ? 1 : 0;
}

static int list(void)
{
	for (const Command *const *command = commands; *command; command++)
		puts((*command)->name);
	return 0;
}

int main(int argc, char **argv)
{
	const Command *command = argc == 3 ? find(argv[2]) : NULL;

	if (argc == 3 && string_equal(argv[1], "man") && (command || string_equal(argv[2], "-")))
		return fill_template(command);
	if (argc == 2 && string_equal(argv[1], "completion"))
		return fill_template(NULL);
	if (argc == 2 && string_equal(argv[1], "list"))
		return list();
	fprintf(stderr, "usage: cli-docs man COMMAND|- | completion | list\n");
	return 2;
}

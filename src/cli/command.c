// SPDX-License-Identifier: Apache-2.0
/* Finding a command, its help, checking its arguments, running it. */
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "cli/cli.h"

/* ---- finding ---- */

/* How many words of argv are spelled by name ("container ls"); 0 when they differ. */
static int words_matched(const char *name, int argc, char *const *argv)
{
	int words = 0;

	for (;;) {
		size_t length = strcspn(name, " ");
		if (words == argc || strlen(argv[words]) != length || strncmp(argv[words], name, length) != 0)
			return 0;
		words++;
		if (!name[length])
			return words;
		name += length + 1;
	}
}

static int command_matched(const Command *command, int argc, char *const *argv)
{
	int words = words_matched(command->name, argc, argv);

	for (const char *const *alias = command->aliases; !words && alias && *alias; alias++)
		words = words_matched(*alias, argc, argv);
	return words;
}

const Command *command_find(int argc, char *const *argv, int *ret_words)
{
	for (const Command *const *command = commands; *command; command++)
		if ((*ret_words = command_matched(*command, argc, argv)) > 0)
			return *command;
	return NULL;
}

/* ---- help ---- */

static void help_aliases(const Command *command, Buffer *out)
{
	if (!command->aliases)
		return;
	buffer_printf(out, "\nAliases:\n  kedge %s", command->name);
	for (const char *const *alias = command->aliases; *alias; alias++)
		buffer_printf(out, ", kedge %s", *alias);
	buffer_add_char(out, '\n');
}

void command_help(const Command *command, Buffer *out, int width)
{
	autoclear(Buffer) options = {0};

	buffer_printf(out, "Usage:  kedge %s %s\n\n%s\n", command->name, command->usage, command->summary);
	help_aliases(command, out);
	if (command->example)
		buffer_printf(out, "\nExample:\n  kedge %s\n", command->example);
	options_help(command->options, &options, width);
	buffer_printf(out, "\nOptions:\n%s\nMore: man kedge-", buffer_text(&options));
	for (const char *c = command->name; *c; c++)
		buffer_add_char(out, *c == ' ' ? '-' : *c);
	buffer_add_char(out, '\n');
}

static void print_help(const Command *command)
{
	autoclear(Buffer) help = {0};

	command_help(command, &help, 80);
	fputs(buffer_text(&help), stdout);
}

/* ---- running ---- */

/* As docker's program: who got an option wrong is told by another status than who got the arguments wrong. */
static fallible usage_error(Cli *cli, const Command *command, int status, Error *error)
{
	cli->status = status;
	if (error_hint_text(error))
		return error;
	return error_hint(error, "see \"kedge %s --help\"", command->name);
}

static const char *plural(int count)
{
	return count == 1 ? "" : "s";
}

static fallible hint_at_example(const Command *command, Error *error)
{
	return command->example ? error_hint(error, "for example: kedge %s", command->example) : error;
}

static fallible check_arguments(const Command *command, const StringList *arguments)
{
	int min = command->arguments_min, max = command->arguments_max, given = (int)arguments->count;
	const char *bound = min == max ? "exactly" : given < min ? "at least" : "at most";
	int wanted = given < min ? min : max;

	if (given >= min && (max == ANY_ARGUMENTS || given <= max))
		return NULL;
	if (max == 0)
		return hint_at_example(
			command, error_new(ERROR_INVALID, "\"kedge %s\" takes no arguments", command->name));
	return hint_at_example(
		command, error_new(ERROR_INVALID, "\"kedge %s\" takes %s %d argument%s: kedge %s %s", command->name,
				 bound, wanted, plural(wanted), command->name, command->usage));
}

static bool wants_help(const Command *command, const void *options)
{
	const Option *option = command->options;

	while (!string_equal(option->name, "help"))
		option++;
	return *(const bool *)((const char *)options + option->offset);
}

static fallible parse_and_run(Cli *cli, const Command *command, void *options, int argc, char *const *argv)
{
	autoclear(StringList) arguments = {0};
	Error *error = options_parse(command->options, options, argc, argv, command->parse_flags, &arguments);

	if (!error && wants_help(command, options)) {
		print_help(command);
		return NULL;
	}
	if (error)
		return usage_error(cli, command, EXIT_WRONG_OPTION, error);
	error = check_arguments(command, &arguments);
	if (error)
		return usage_error(cli, command, EXIT_FAILED, error);
	return command->run(cli, options, &arguments);
}

fallible command_run(Cli *cli, const Command *command, int argc, char *const *argv)
{
	autofree void *options = mem_alloc(command->options_size);

	if (command->defaults)
		memcpy(options, command->defaults, command->options_size);
	cli->command = command;
	Error *error = parse_and_run(cli, command, options, argc, argv);
	if (error && cli->status == EXIT_OK)
		cli->status = command->failed_status ? command->failed_status : EXIT_FAILED;
	options_clear(command->options, options);
	return error;
}

fallible cli_each(Cli *cli, const StringList *arguments, CliEach *each, const void *options, bool echo)
{
	for (size_t i = 0; i < arguments->count; i++) {
		const char *argument = arguments->items[i];
		Error *error =
			argument[0] ? each(cli, argument, options) : error_new(ERROR_INVALID, "the name is empty");
		if (error) {
			fflush(stdout);
			cli_report(error);
			cli->status = EXIT_FAILED;
		} else if (echo) {
			puts(argument);
		}
	}
	return NULL;
}

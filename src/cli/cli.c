// SPDX-License-Identifier: Apache-2.0
/* The program around the commands: global options, where the daemon is, what is printed at the end. */
#include "cli/cli.h"

#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/memory.h"
#include "cli/global.h"
#include "cli/host.h"
#include "cli/terminal.h"

/* ---- reporting ---- */

void cli_report(Error *error)
{
	const char *hint = error_hint_text(error);

	terminal_tell(stderr, "kedge", "\033[1;31m", error_message(error));
	if (hint)
		terminal_tell(stderr, "hint", NULL, hint);
	error_free(error);
}

/* A full disk or a closed descriptor behind standard output must not look like success. */
static void check_output(Cli *cli)
{
	if (fflush(stdout) == 0 && !ferror(stdout))
		return;
	cli_report(error_new(ERROR_UNAVAILABLE, "could not write to standard output: %m"));
	if (cli->status == EXIT_OK)
		cli->status = EXIT_FAILED;
}

/* ---- life ---- */

static char *find_config_dir(const GlobalOptions *options)
{
	const char *from_environment = getenv("DOCKER_CONFIG"), *home = getenv("HOME");

	if (options->config)
		return mem_strdup(options->config);
	if (!string_empty(from_environment))
		return mem_strdup(from_environment);
	return string_printf("%s/.docker", home ? home : "");
}

static fallible cli_init(Cli *cli, const GlobalOptions *options)
{
	cli->config_dir = find_config_dir(options);
	cli->host = mem_new(Host);
	TRY(host_find(cli->host, options, cli->config_dir));
	cli->client = host_client(cli->host);
	log_set_name("kedge");
	log_set_level(options->debug ? LOG_LEVEL_DEBUG : LOG_LEVEL_WARNING);
	return NULL;
}

static void cli_clear(Cli *cli)
{
	http_client_free(cli->client);
	free(cli->config_dir);
	host_free(cli->host);
}

/* ---- what is wanted ---- */

static void print_overview(void)
{
	autoclear(Buffer) out = {0};

	global_help(&out);
	fputs(buffer_text(&out), stdout);
}

static void print_group(const char *group)
{
	autoclear(Buffer) out = {0};

	global_group_help(&out, group);
	fputs(buffer_text(&out), stdout);
}

static fallible run_words(Cli *cli, const StringList *words)
{
	int used;
	const Command *command = command_find((int)words->count, words->items, &used);

	if (!command && words->count == 2 && string_equal(words->items[1], "--help") &&
		global_is_group(words->items[0])) {
		print_group(words->items[0]);
		return NULL;
	}
	if (!command)
		return global_unknown_command(words);
	return command_run(cli, command, (int)words->count - used, words->items + used);
}

/* "kedge help run" is "kedge run --help". */
static fallible run_help(Cli *cli, StringList *words)
{
	strings_remove(words, 0);
	if (words->count == 0 || string_equal(words->items[0], "help")) {
		print_overview();
		return NULL;
	}
	strings_add(words, "--help");
	return run_words(cli, words);
}

static fallible run_global(Cli *cli, const GlobalOptions *options, StringList *words)
{
	if (options->version) {
		printf("kedge version " KEDGE_VERSION "\n");
		return NULL;
	}
	if (options->help || words->count == 0) {
		print_overview();
		return NULL;
	}
	TRY(cli_init(cli, options));
	if (string_equal(words->items[0], "help"))
		return run_help(cli, words);
	return run_words(cli, words);
}

int cli_main(int argc, char **argv)
{
	Cli cli = {0};
	GlobalOptions options = {0};
	autoclear(StringList) words = {0};

	Error *error = options_parse(global_options, &options, argc - 1, argv + 1, OPTIONS_STOP_AT_ARGUMENT, &words);
	if (error)
		cli.status = EXIT_WRONG_OPTION;
	if (error && !error_hint_text(error))
		error = error_hint(error, "see \"kedge --help\"");
	if (!error)
		error = run_global(&cli, &options, &words);
	if (error && cli.status == EXIT_OK)
		cli.status = EXIT_FAILED;
	check_output(&cli);
	if (error)
		cli_report(error);
	options_clear(global_options, &options);
	cli_clear(&cli);
	return cli.status;
}

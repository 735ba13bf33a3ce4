// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * The command line program: one Command per file, all of them in commands.c. A command is a table entry: its words, its
 * option table and a function; help, man pages, completion and the checks of its arguments come from the entry.
 * Commands talk to the daemon through cli/api.h alone: there is no logic here that the API has not.
 */
#include <stdbool.h>
#include <stddef.h>

#include "base/options.h"
#include "base/strings.h"
#include "http/client.h"

#define CLI_SOCKET "/run/kedge/kedge.sock"

enum {
	EXIT_OK = 0,
	EXIT_FAILED = 1,
	EXIT_WRONG_OPTION = 125,
	EXIT_RUN_FAILED = 125,
	EXIT_RUN_DENIED = 126,
	EXIT_RUN_NOT_FOUND = 127
};
enum { ANY_ARGUMENTS = -1 };

typedef struct Command Command;

typedef struct Cli {
	struct Host *host;      /* where the daemon is (cli/host.h) */
	char *config_dir;       /* where config.json is */
	HttpClient *client;     /* the connection for calls that are answered at once */
	const Command *command; /* the one that runs */
	int status;             /* what the program ends with when no Error is returned */
} Cli;

/* What a command's function gets: options points at its own struct, filled by its table. */
typedef Error *CommandRun(Cli *cli, const void *options, const StringList *arguments);

struct Command {
	const char *name;           /* "ps" */
	const char *const *aliases; /* "container ls"; ends with NULL; may be NULL */
	const char *usage;          /* "[OPTIONS] CONTAINER [CONTAINER...]" */
	const char *summary;        /* one line, no full stop */
	const char *example; /* without "kedge": shown with the help, and to who got the arguments wrong; may be NULL */
	const Option *options;
	size_t options_size;
	const void *defaults; /* the options' struct before parsing; NULL: zeros. Strings in it are copied by the
				 parser's rules: leave them NULL */
	int parse_flags;      /* OPTIONS_STOP_AT_ARGUMENT */
	int arguments_min, arguments_max; /* ANY_ARGUMENTS: no limit */
	const char *arguments;            /* what they are, for completion: "container", "image"; NULL: nothing known */
	int failed_status;                /* exit status when an Error is returned; 0: EXIT_FAILED */
	CommandRun *run;
};

/* Each options struct has `bool help`, each table starts with this. */
#define HELP_OPTION(T)                                                                                                 \
	{                                                                                                              \
		.name = "help", .kind = OPTION_SWITCH, .offset = offsetof(T, help), .help = "show this help"           \
	}

extern const Command *const commands[];    /* ends with NULL; in the order of help */
extern const char *const command_groups[]; /* Docker's longer form begins with one; ends with NULL */

/* By words at the start of argv ("ps", "container ls"); *ret_words: how many they are. NULL: none. */
const Command *command_find(int argc, char *const *argv, int *ret_words);
void command_help(const Command *command, Buffer *out, int width);
/* Parses argv (without the command's words), checks the counts and runs. */
fallible command_run(Cli *cli, const Command *command, int argc, char *const *argv);

/* The whole program. */
int cli_main(int argc, char **argv);
/* "kedge: message" and "hint: ..." on standard error; takes the error. */
void cli_report(Error *error);
/*
 * For commands with several targets: calls each for every argument; what fails is reported at once and makes the exit
 * status 1, the others go on. Prints the argument after success when echo is set.
 */
typedef Error *CliEach(Cli *cli, const char *argument, const void *options);
fallible cli_each(Cli *cli, const StringList *arguments, CliEach *each, const void *options, bool echo);

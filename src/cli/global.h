// SPDX-License-Identifier: Apache-2.0
#pragma once
/* What stands before the command: the global options, the overview of all commands, and what to say about a word that
 * is no command. */
#include "cli/cli.h"

typedef struct GlobalOptions {
	bool help, version, debug, tls_verify;
	char *host, *config, *tls_ca, *tls_cert, *tls_key;
} GlobalOptions;

extern const Option global_options[];

void global_help(Buffer *out);
/* "container", "image", ...: Docker's longer form begins with one. */
bool global_is_group(const char *word);
void global_group_help(Buffer *out, const char *group);
/* Docker's commands that are not here are named as such; for others the nearest command is suggested. */
fallible global_unknown_command(const StringList *words);

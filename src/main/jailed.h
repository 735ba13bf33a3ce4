// SPDX-License-Identifier: Apache-2.0
#pragma once
/* How the programs that work in a jail of their own begin and end: kedge-fetch, kedge-tls, kedge-ws. */
#include "base/error.h"
#include "base/options.h"

/* Reads the command line into options, which are cleared after run; what is wrong with it goes into the log. Ends the
 * process with the status that run gives. */
_Noreturn void jailed_main(
	const char *name, const Option *table, void *options, int (*run)(const void *options), int argc, char **argv);
int jailed_help(const Option *table, const char *usage); /* prints it; the status */
int jailed_fail(Error *take_error);                      /* into the log, with its hint; the status */

// SPDX-License-Identifier: Apache-2.0
#pragma once
/* The start request, and the exit status for a program that could not be started: 126 and 127 as shells have them. */
#include "cli/cli.h"

fallible start_container(Cli *cli, const char *id);
/* EXIT_RUN_NOT_FOUND, EXIT_RUN_DENIED, or EXIT_RUN_FAILED for what is not the program's fault. Source: docker/cli,
 * run.go toStatusError(). */
int start_failure_status(const Error *error);

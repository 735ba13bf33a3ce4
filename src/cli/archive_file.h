// SPDX-License-Identifier: Apache-2.0
#pragma once
/* An archive that the daemon sends, into a file or to standard output. A file appears whole or not at all. */
#include "cli/cli.h"

/* How far it has come, on a terminal; NULL: nobody wants to know. */
typedef void ArchiveMoved(void *arg, int64_t bytes);

/* output NULL: standard output, which must be no terminal. */
fallible archive_receive(Cli *cli, const char *target, const char *output);
fallible archive_receive_told(Cli *cli, const char *target, const char *output, ArchiveMoved *moved, void *arg);
/* A file that is to be sent: NULL or "-" is standard input, which must be no terminal. */
fallible archive_open_input(int *ret_fd, const Cli *cli, const char *path);

// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Files of variables and labels, as --env-file and --label-file have them, and the words of --env: "NAME=value" lines,
 * '#' comments, no quoting. NAME alone takes the value of our own environment, and is left out where we have none.
 * Source: docker/cli opts/file.go.
 */
#include "base/error.h"
#include "base/strings.h"

enum { ENV_FILE_MAX = 1 << 20 };

/* Adds to list. Labels (takes_ours false) without "=" are kept as they are. */
fallible env_file_read(StringList *list, const char *path, bool takes_ours);
fallible env_file_parse(StringList *list, const char *name, const char *text, size_t length, bool takes_ours);
fallible env_word_add(StringList *list, const char *word);

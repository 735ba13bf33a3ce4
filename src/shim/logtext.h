// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * The text of a log's files, whether they are lines or blocks (logblock.h), with the lines that are gathered behind the
 * newest one. Offsets are those of the text. In the place of a block that is damaged there is one line that says so;
 * the rest is read as if it were not.
 */
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/cleanup.h"
#include "shim/logfiles.h"

enum { LOG_TEXT_SLICE = 64 * 1024 }; /* what is read at a time, at most; room for it is the caller's */

typedef struct LogText LogText;

/* state_dir: the container's; run_dir: where lines are gathered while it runs, NULL: nowhere. */
LogText *logtext_new(const char *state_dir, const char *run_dir);
LogText *logtext_free(LogText *text);
DEFINE_AUTOPTR(LogText, logtext_free)
/* Before a position in another file is asked about: inodes are used again. */
void logtext_forget(LogText *text);
int64_t logtext_size(LogText *text, const LogPosition *position); /* of the file now */
/* What is there, up to `until` (-1: all), and moves the position behind it. 0: nothing is, now. */
size_t logtext_read(LogText *text, LogPosition *position, char *to, int64_t until);
/* The text that ends at the position, which moves to its beginning: 0 bytes of what is damaged. False: it cannot be
 * read any more. */
bool logtext_read_back(LogText *text, LogPosition *position, char *to, size_t *ret_length);
/* A file whose end, behind the last whole block, is damaged: the line that says so; 0: it is not. Of those alone to
 * which nobody writes any more. */
size_t logtext_torn_end(LogText *text, const LogPosition *position, char *to);

// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Asks a program something and reads what it says, with one deadline whatever it does: it may hang, talk forever, or
 * leave its output to others. Several are asked at once by starting all before the first is finished: the slowest one
 * sets the time. For use at start alone, since it waits.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"

enum { ASK_TEXT_MAX = 4096, ASK_TIME_MS = 2000 };

typedef struct Ask {
	pid_t pid;  /* -1: it could not be started */
	int output; /* -1: likewise */
	char text[ASK_TEXT_MAX];
	size_t length;
} Ask;

int64_t ask_deadline_ns(void); /* ASK_TIME_MS from now */
/* stream: 1 or 2, the one that is read. What is started must be finished, also after an error. */
fallible ask_start(Ask *ret, const char *const *argv, int stream);
/* Ends the program and all it started in its process group. Gives the wait status; -1 when there was no program. */
int ask_finish(Ask *ask, int64_t deadline_ns);

// SPDX-License-Identifier: Apache-2.0
#pragma once
/* A terminal that hands every key on as it is, until it is restored: what a container's own terminal needs. */
#include <stdbool.h>
#include <termios.h>

#include "base/error.h"

typedef struct RawTerminal {
	int fd; /* -1: nothing to restore */
	struct termios before;
} RawTerminal;

fallible raw_terminal_begin(RawTerminal *ret, int fd); /* fd is a terminal */
void raw_terminal_end(RawTerminal *raw);               /* may be called again */

// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * What runtimes say of themselves (`--version`). Asking takes 5 to 30 ms of a start, so what a program answered is
 * remembered until it changes. A script is asked each time: what it runs may change without it.
 */
#include "runtime/runtimes.h"

enum { VERSIONS_MAX = 256 << 10 };

/* Sets version, is_crun and is_program of all. memory: a file, there or not; NULL: all are asked. Waits, at most
 * ASK_TIME_MS in all; a runtime that does not answer is logged and has no version. */
void versions_read(Runtimes *runtimes, const char *memory);

// SPDX-License-Identifier: Apache-2.0
#pragma once
/* The log of those who were not let in: a few lines a minute, however many come, and how many were not told. */
#include <stdint.h>

#include "base/error.h"

enum { REFUSALS_A_MINUTE = 10 };

typedef struct Refusals {
	int64_t minute_ns; /* when the one began in which lines are counted */
	unsigned told, untold;
} Refusals;

void refusals_note(Refusals *refusals, const char *peer, Error *take_error);

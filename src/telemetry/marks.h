// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * What was sent on a connection, and what of it is known to have arrived. A connection that breaks is gone on with from
 * what is sure: lines may be sent twice, none is left out.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shim/logplace.h"

enum { MARKS_MAX = 256 };

typedef struct Mark {
	LogSpot spot;  /* behind what was sent */
	int64_t bytes; /* sent on this connection up to there */
	int64_t time_ns;
} Mark;

typedef struct Marks {
	Mark items[MARKS_MAX]; /* the oldest first */
	size_t count, sure;    /* the first `sure` of them have arrived */
	LogSpot start;         /* of the connection */
	LogSpot kept;          /* behind which `items` begin */
	int64_t bytes;         /* sent on this connection */
	int64_t keeps;         /* so many bytes that have arrived may be unread */
} Marks;

void marks_begin(Marks *marks, const LogSpot *start, int64_t keeps);
void marks_add(Marks *marks, const LogSpot *spot, size_t bytes, int64_t now_ns);
/* What was sent before `until_ns`, among the first `arrived` bytes, is sure. False: nothing new is. */
bool marks_settle(Marks *marks, int64_t arrived, int64_t until_ns);
bool marks_are_open(const Marks *marks); /* something is not sure yet */
LogSpot marks_sure(const Marks *marks);
LogSpot marks_unread(const Marks *marks); /* for a receiver that died with unread bytes */

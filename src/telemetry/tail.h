// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * A container's log, line by line from a spot on, over rotated files, to what is its end now. Lines that are gone with
 * their file are counted, never waited for. Files are read through a directory, or, of a container that was removed,
 * from descriptors that were handed over.
 */
#include "shim/logfiles.h"
#include "shim/logline.h"
#include "shim/logplace.h"

typedef struct Tail Tail;

typedef struct TailLine {
	LogEntry entry; /* its data without the newline */
	char time[LOG_TIME_MAX];
} TailLine;

Tail *tail_new(int take_dir);
Tail *tail_free(Tail *tail);
DEFINE_AUTOPTR(Tail, tail_free)
/* Goes on there: at the oldest line that is left when it is gone. */
void tail_seek(Tail *tail, const LogSpot *spot);
/* False at the end. The line is the tail's, until the next call. */
bool tail_next(Tail *tail, TailLine *ret);
void tail_tidy(Tail *tail);          /* nothing is to be read now: memory is given back */
LogSpot tail_spot(const Tail *tail); /* of the next line */
int64_t tail_take_lost(Tail *tail);  /* lines that were gone before they were read, since the last call */
int64_t tail_backlog(Tail *tail);    /* bytes from here to the end */
/* The directory goes: from here on these files are the log, the oldest first. Takes them. */
void tail_set_last(Tail *tail, int *take_fds, size_t count);

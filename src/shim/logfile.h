// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * The shim's log: container.log in the container's state directory, rotated by size and number. Writing never blocks on
 * anything but the disk and never fails: with a full disk whole lines are dropped and counted, and a line that says how
 * many is written when there is room again. Entries are gathered in the caller's batch memory and leave with one
 * write(2); what is in the file ends with a whole line at any time. With a Gather the file is one of compressed blocks
 * instead, and lines are gathered in memory before (gather.h); its size is that of its lines.
 */
#include <stdbool.h>
#include <stdint.h>

#include "shim/gather.h"
#include "shim/logline.h"

enum { LOG_BATCH_SIZE = LOG_LINE_MAX + 28 * 1024 };

typedef struct LogFile {
	int directory; /* lent */
	int fd;        /* -1: not open now, tried again with the next batch */
	char *batch;   /* lent: LOG_BATCH_SIZE bytes */
	size_t used;
	int64_t size;      /* of the file */
	int64_t max_size;  /* 0: no limit */
	int64_t max_files; /* with the current one */
	int64_t dropped;   /* lines since the last that could be written */
	int problem;       /* errno of the first of them */
	Gather *gather;    /* lent; NULL: lines are written as they come */
	bool is_forwarded; /* kedge-log sends it: lines that go with their file are counted (logplace.h) */
	bool keeps_unsent; /* no file goes whose lines were not sent */
} LogFile;

/* Continues an existing file; one of the other form is rotated away. */
void logfile_open(LogFile *log);
/* False: it is full of lines that were not sent, and is to get no more now; what it gets all the same is kept. Of one
 * that keeps_unsent; else never. */
bool logfile_has_room(const LogFile *log);
void logfile_add(LogFile *log, const LogEntry *entry);
void logfile_flush(LogFile *log);
int64_t logfile_deadline(const LogFile *log);    /* of logfile_step(), monotonic; INT64_MAX: none */
bool logfile_step(LogFile *log, int64_t now_ns); /* false: it was not time */
/* The container has ended: nothing is gathered from here on. */
void logfile_end(LogFile *log);
void logfile_close(LogFile *log);

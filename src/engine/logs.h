// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Reading a container's log, in lines or in blocks (shim/logtext.h): from its end or its beginning, over rotated files, and on as the shim writes it.
 * Entries come from the loop in slices of at most 64 KiB, so that a large log holds nobody up; a paused reader reads
 * nothing. Damaged lines (a power cut) are skipped. A reader may be paused and freed in its own handlers.
 */
#include <stdbool.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/loop.h"

/* Between two entries, in words that outlive the reader. */
typedef struct LogPlace {
	uint64_t file; /* inode; 0: there is no log yet */
	int64_t offset;
	bool skips_line; /* the offset is within a line that is not shown */
} LogPlace;

typedef struct LogQuery {
	bool want_stdout, want_stderr;
	bool follow;
	int64_t tail;               /* entries of either stream, as Docker counts them; -1: all */
	int64_t since_ns, until_ns; /* wall clock, both included; 0: no bound */
	const LogPlace *from;       /* goes on there, whatever tail says; NULL: a new reading */
} LogQuery;

typedef struct LogReaderHandlers {
	/* stream: 1 stdout, 2 stderr. time: RFC 3339 with nine digits. Data ends with "\n" but for a piece of a long or
	 * unfinished line. */
	void (*entry)(void *arg, int stream, const char *time, int64_t time_ns, const char *data, size_t length);
	void (*end)(void *arg);       /* once; nothing follows */
	void (*caught_up)(void *arg); /* a follower has got all that is there; may be NULL */
} LogReaderHandlers;

typedef struct LogReader LogReader;

/* gather_dir: where driver "local" has lines that are in no file yet, while the container runs; NULL: nowhere. */
typedef struct LogPlaces {
	const char *state_dir, *gather_dir;
} LogPlaces;

/* places: ContainerView.log_places. Without a log there is nothing to read yet, which is no
 * error. */
fallible log_reader_open(LogReader **ret, Loop *loop, const LogPlaces *places, const LogQuery *query,
	const LogReaderHandlers *handlers, void *arg);
LogReader *log_reader_close(LogReader *reader);
DEFINE_AUTOPTR(LogReader, log_reader_close)
/* Of the next entry that was not delivered; false: nothing was yet, and a tail is still being looked for. */
bool log_reader_place(LogPlace *ret, const LogReader *reader);
void log_reader_pause(LogReader *reader, bool paused);
void log_reader_finish(LogReader *reader); /* the container has ended: a follower gets the rest, then the end */

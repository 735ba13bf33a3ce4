// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * How far a container's log was sent by kedge-log: one sector beside the log, overwritten in place, so that a power cut
 * leaves the old or the new one and a full disk stops nothing. kedge-log writes it, kedged shows it, and the shim looks
 * at it before it gives up a file that nobody was sent. One that is damaged reads as "nothing was sent yet".
 * Lines are numbered from the container's first on; how many of them were given up with their files is in a small file
 * of its own, which the shim writes.
 */
#include <stdbool.h>
#include <stdint.h>

#define LOG_PLACE_NAME "forwarded"
#define LOG_REMOVED_NAME "removed-lines"

enum { LOG_PLACE_SIZE = 512, LOG_PLACE_ERROR_MAX = 256 };

typedef struct LogSpot {
	uint64_t file;  /* inode; 0: before the first line */
	int64_t birth;  /* of the file, so that an inode that is used again is not taken for it; 0: not known */
	int64_t offset; /* behind a whole line */
	int64_t line;   /* number of the next one */
} LogSpot;

typedef struct LogForwarded {
	LogSpot sent;       /* handed to the receiver's kernel, or further */
	LogSpot sure;       /* the receiver has it: here the next kedge-log, and the next connection, goes on */
	int64_t sent_lines; /* also those that were sent twice */
	int64_t dropped;    /* lines that were never sent */
	int64_t changed_ns; /* wall clock */
	char error[LOG_PLACE_ERROR_MAX]; /* why nothing is sent now; "": it is, or there is nothing */
} LogForwarded;

/* False, and *ret is all zeros, when there is none, or none that is whole. dir: the container's state directory. */
bool logplace_read(LogForwarded *ret, int fd);
bool logplace_read_at(LogForwarded *ret, int dir);
bool logplace_write(int fd, const LogForwarded *place);

/* As LogSpot.birth has it, of the file of that name; "": of the open file itself. 0: it is not known. */
int64_t logplace_birth(int dir, const char *name);
/* Whether the spot is in that file. */
bool logplace_is_in(const LogSpot *spot, int dir, const char *name);

/* How many lines have gone with their files; 0 when none have. */
int64_t logplace_removed(int dir);
void logplace_add_removed(int dir, int64_t lines);

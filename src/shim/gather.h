// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Lines on their way into a log of blocks (logblock.h). They are gathered in a file of the run directory, which is
 * memory and outlives a shim that is killed; as soon as there are GATHER_BYTES of them, or the oldest is GATHER_NS old,
 * they are compressed and leave for the disk with one write(2). What a power cut takes is what was gathered. All
 * memory is lent, so that it can go back to the kernel between two blocks.
 */
#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"
#include "shim/logblock.h"

#define GATHER_NS (60 * NANOS_PER_SECOND)

enum {
	GATHER_BYTES = 64 * 1024,
	DEFLATE_MEMORY = 80 * 1024,
	GATHER_MEMORY = DEFLATE_MEMORY + LOG_BLOCK_HEAD + LOG_BLOCK_MAX,
};

typedef struct Gather {
	int directory;   /* of LOG_GATHERED_NAME; lent */
	char *memory;    /* lent: GATHER_MEMORY bytes */
	bool compresses; /* else blocks hold their lines as they are */
	bool is_ending;  /* nothing is gathered any more */
	int fd;          /* of the gathered lines; -1: there are none */
	uint64_t file;   /* the log file's inode */
	int64_t start;   /* of the gathered lines in its text */
	int64_t held;    /* bytes of them */
	int64_t due_ns;  /* when they are to leave, monotonic */
	int problem;     /* errno of what failed last */
} Gather;

/* Begins with a log file in that form, which may be empty: a block that a power cut has torn is cut off, and lines that
 * a killed shim has left here or in `state` get into a block first. False: it cannot be written to. */
bool gather_open(Gather *gather, int log_fd, int state);
/* Whole lines, LOG_BLOCK_MAX bytes at most. False: there is no room for them anywhere. */
bool gather_add(Gather *gather, int log_fd, const char *text, size_t length);
/* Gathered lines go into a block now; false: they stay. */
bool gather_spill(Gather *gather, int log_fd);

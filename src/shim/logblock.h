// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * The form of a log file whose lines are kept in compressed blocks (log driver "local"): LOG_BLOCKS_MAGIC, then blocks,
 * each a head of LOG_BLOCK_HEAD bytes and the lines of logline.h, raw deflate or as they are. A head says where its
 * text is in the text of the whole file, so that what is damaged is left out and nothing else. Lines that are in no
 * block yet are in the file LOG_GATHERED_NAME in the container's run directory, behind a LogGathered; of a shim that
 * was killed, in its state directory. Numbers are the machine's: no other one reads these files.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LOG_BLOCKS_MAGIC "kedgelog"
#define LOG_GATHERED_NAME "gathered"

enum {
	LOG_BLOCKS_BEGIN = sizeof(LOG_BLOCKS_MAGIC) - 1,
	LOG_BLOCK_HEAD = 48,
	LOG_BLOCK_MAX = 128 * 1024, /* bytes of its text, which is whole lines */
};

typedef struct LogBlock {
	int64_t at;      /* of its head in the file */
	int64_t start;   /* of its text in the file's text */
	int64_t wall_ns; /* when it was written */
	uint32_t length; /* of its text */
	uint32_t stored; /* bytes behind the head */
	uint32_t lines;
	uint32_t checksum; /* of what is stored */
	bool is_deflated;
} LogBlock;

typedef struct LogGathered {
	uint64_t file; /* inode of the log file that the lines belong to */
	int64_t start; /* of the first of them in its text */
} LogGathered;

uint32_t logblock_checksum(const void *data, size_t length);
void logblock_write(char to[LOG_BLOCK_HEAD], const LogBlock *block); /* block->at aside */
/* The first whole block at `at` or behind it, in a file of so many bytes; false: there is none. */
bool logblock_find(LogBlock *ret, int fd, int64_t at, int64_t size);
int64_t logblock_end(const LogBlock *block); /* in the file */
/* Whether the file begins as those with blocks do. */
bool logblock_is_used(int fd);

// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Where a reader is in a container's log: an open file of the chain container.log.N, ..., container.log.1,
 * container.log (oldest to newest), and an offset in it. Files are known by their inode, since the shim renames them
 * under the reader. Source of the order of renames: shim/logfile.c.
 */
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/cleanup.h"
#include "base/error.h"

typedef struct LogPosition {
	int fd; /* -1: nowhere */
	ino_t inode;
	int64_t offset;
} LogPosition;

#define LOG_NOWHERE ((LogPosition){.fd = -1})

void logposition_clear(LogPosition *position);
DEFINE_AUTOCLEAR(LogPosition, logposition_clear)

/* Each gives a position at the beginning of a file; *ret is nowhere when there is none. dir: the directory's
 * descriptor. */
fallible logfiles_newest(LogPosition *ret, int dir);
fallible logfiles_oldest(LogPosition *ret, int dir);
fallible logfiles_find(LogPosition *ret, int dir, ino_t inode);
fallible logfiles_before(LogPosition *ret, int dir, const LogPosition *position);
/* When the file itself was removed meanwhile, the oldest one that is left. */
fallible logfiles_after(LogPosition *ret, int dir, const LogPosition *position);
int64_t logposition_size(const LogPosition *position); /* of the file now */

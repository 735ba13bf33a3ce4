// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Writes what a file entry holds. Writing to the disk begins while the archive is still being read, so that little is
 * left for the sync at its end.
 */
#include "base/error.h"
#include "fetch/hash.h"
#include "fetch/unpack/tar.h"

/* Whether the disk is told to begin with what was written: somebody waits for a sync at the end. */
typedef enum ContentDisk { CONTENT_SENT, CONTENT_LEFT } ContentDisk;

/* file: empty and open for writing. hash: gets the bytes too; NULL: none. */
fallible content_write(int file, TarReader *reader, const TarEntry *entry, ContentDisk disk, Hash *hash);
/* An error of writing; a full disk says what to do. */
fallible content_error(int errno_value, const char *what);

// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Reads tar archives as a stream, without copying contents: v7, ustar, pax, GNU and star headers; long names, base-256
 * numbers, sparse files (GNU's old form and its pax forms 0.0, 0.1, 1.0), extended attributes. Where dialects disagree
 * it follows Go's archive/tar, which the tools that write image layers are made with. Nothing here touches files. Names
 * are bytes, without NUL, and otherwise as the archive has them. Sources: POSIX.1-2017 pax "ustar Interchange Format"
 * and "pax Extended Header"; GNU tar manual, "Storing Sparse Files".
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/error.h"

typedef enum TarType {
	TAR_FILE,
	TAR_DIRECTORY,
	TAR_SYMLINK,
	TAR_HARD_LINK,
	TAR_CHARACTER,
	TAR_BLOCK,
	TAR_FIFO,
	TAR_TYPES
} TarType;

enum {
	TAR_NAME_MAX = 4095,         /* a path or link, without its NUL */
	TAR_EXTENDED_MAX = 1 << 20,  /* a pax header */
	TAR_XATTRS_MAX = 64,         /* of one entry */
	TAR_XATTR_VALUE_MAX = 65536, /* XATTR_SIZE_MAX */
	TAR_EXTENTS_MAX = 1 << 18,   /* of one sparse file */
};

typedef struct TarXattr {
	const char *name; /* "user.x" */
	const void *value;
	size_t length;
} TarXattr;

/* Valid until the next tar_next(). */
typedef struct TarEntry {
	TarType type;
	const char *path;
	const char *link; /* of links; else "" */
	int64_t size;     /* of a file as it will be, with holes */
	bool sparse;
	uint32_t mode; /* 07777 */
	uint32_t uid, gid;
	uint32_t device_major, device_minor;
	struct timespec mtime;
	TarXattr xattrs[TAR_XATTRS_MAX];
	size_t xattr_count;
} TarEntry;

/* Where the archive comes from: gives the next run of bytes, which stays valid until the next call; length 0 is the
 * end. */
typedef struct TarSource {
	Error *(*next)(void *arg, const uint8_t **ret, size_t *ret_length);
	void *arg;
} TarSource;

typedef struct TarReader TarReader;

TarReader *tar_new(const TarSource *source);
TarReader *tar_free(TarReader *reader);
DEFINE_AUTOPTR(TarReader, tar_free)

/* The next entry, NULL at the end. What is left of the current one is skipped. */
fallible tar_next(TarReader *reader, const TarEntry **ret);
/* At the end: tar's own, a block of zeros, was there; else the archive may have been cut between two entries. */
bool tar_has_end(const TarReader *reader);
/* For messages: the path of the entry that is being read, NULL while its header is not understood; and how far the
 * archive was read. */
const char *tar_path(const TarReader *reader);
int64_t tar_offset(const TarReader *reader);
/* The next run of the current file's bytes and its place in the file; length 0 is the end. */
fallible tar_data(TarReader *reader, const uint8_t **ret, size_t *ret_length, int64_t *ret_offset);

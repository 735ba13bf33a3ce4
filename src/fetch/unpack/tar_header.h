// SPDX-License-Identifier: Apache-2.0
#pragma once
/* One 512-byte tar header as it lies in the archive, and how its fields read. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

enum { TAR_BLOCK_SIZE = 512 };

typedef struct TarHeader {
	char name[100], mode[8], uid[8], gid[8], size[12], mtime[12], checksum[8], type, link[100];
	char magic[8]; /* "ustar\0" "00", or GNU's "ustar  \0" */
	char user[32], group[32], device_major[8], device_minor[8];
	char rest[167]; /* by dialect: below */
} TarHeader;

_Static_assert(sizeof(TarHeader) == 500 + 12, "a tar header is one block");

typedef enum TarDialect { DIALECT_V7, DIALECT_USTAR, DIALECT_STAR, DIALECT_GNU } TarDialect;

/* GNU's old sparse form: pairs of offset and size, in the header and in blocks that follow it. */
enum {
	SPARSE_PAIR_SIZE = 24,
	SPARSE_HEADER_AT = 386,
	SPARSE_HEADER_PAIRS = 4,
	SPARSE_EXTENDED_AT = 482,
	SPARSE_SIZE_AT = 483,
	SPARSE_BLOCK_PAIRS = 21,
	SPARSE_BLOCK_EXTENDED_AT = 504
};

bool tar_header_is_zero(const TarHeader *header);
fallible tar_header_check(const TarHeader *header); /* the checksum */
TarDialect tar_header_dialect(const TarHeader *header);
/* Octal text, or base 256 with the top bit set; empty is 0. */
fallible tar_number(int64_t *ret, const char *field, size_t length, const char *what);
/* prefix/name; room for 256 bytes and NUL. */
void tar_header_path(char ret[257], const TarHeader *header);

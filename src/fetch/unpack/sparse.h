// SPDX-License-Identifier: Apache-2.0
#pragma once
/* Where the bytes of a sparse file belong: runs of data, in order, with holes between. */
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

typedef struct SparseExtent {
	int64_t offset;
	int64_t length;
} SparseExtent;

typedef struct SparseMap {
	SparseExtent *extents;
	size_t count;
	size_t capacity;
	size_t at;    /* the extent that the next byte goes to */
	int64_t done; /* bytes of it that are there already */
} SparseMap;

void sparse_reset(SparseMap *map); /* empties it, keeps its memory */
void sparse_clear(SparseMap *map);
fallible sparse_add(SparseMap *map, int64_t offset, int64_t length);
/* In order, within size, and as many bytes as the archive holds. */
fallible sparse_check(const SparseMap *map, int64_t size, int64_t content);
/* Where the next byte goes, and how many more may follow it there. */
void sparse_place(SparseMap *map, int64_t *ret_offset, int64_t *ret_room);
void sparse_advance(SparseMap *map, int64_t length);

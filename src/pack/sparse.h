// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Files with holes, as GNU sparse format 1.0 packs them: the map stands before the data, in the entry's content.
 * Source: GNU tar manual, "Storing Sparse Files", PAX format version 1.0.
 */
#include <sys/stat.h>

#include "pack/tar.h"

typedef struct SparseFile {
	Buffer map; /* filled to a whole block */
	int64_t (*extents)[2];
	size_t count;
	int64_t data;
} SparseFile;

void sparse_file_clear(SparseFile *sparse);
DEFINE_AUTOCLEAR(SparseFile, sparse_file_clear)
/* False for a file without holes worth telling, or with more pieces than readers take. */
bool sparse_find(SparseFile *ret, int fd, const struct stat *status);
void sparse_records(Buffer *records, const char *path, int64_t size);
int64_t sparse_size(const SparseFile *sparse); /* of the entry's content */
fallible sparse_write(const SparseFile *sparse, TarOut *out, int fd, const char *path);

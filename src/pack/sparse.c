// SPDX-License-Identifier: Apache-2.0
#include "pack/sparse.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/memory.h"
#include "pack/content.h"

enum { EXTENTS_MAX = 16 << 10, STAT_BLOCK = 512 };

void sparse_file_clear(SparseFile *sparse)
{
	buffer_clear(&sparse->map);
	free(sparse->extents);
}

static bool add_extent(SparseFile *sparse, int64_t offset, int64_t end)
{
	if (sparse->count == EXTENTS_MAX)
		return false;
	if ((sparse->count & (sparse->count - 1)) == 0)
		sparse->extents =
			mem_array(sparse->extents, sparse->count ? 2 * sparse->count : 1, sizeof(*sparse->extents));
	sparse->extents[sparse->count][0] = offset;
	sparse->extents[sparse->count++][1] = end - offset;
	sparse->data += end - offset;
	return true;
}

/* A hole that is the file's end is told by an empty piece there. */
static bool find_extents(SparseFile *sparse, int fd, int64_t size)
{
	int64_t end = 0;

	while (end < size) {
		int64_t start = lseek(fd, end, SEEK_DATA);
		if (start < 0 || start >= size)
			break;
		end = lseek(fd, start, SEEK_HOLE);
		if (end < 0 || !add_extent(sparse, start, end < size ? end : size))
			return false;
	}
	return end >= size || add_extent(sparse, size, size);
}

static void write_map(SparseFile *sparse)
{
	static const char zeros[TAR_BLOCK];

	buffer_printf(&sparse->map, "%zu\n", sparse->count);
	for (size_t i = 0; i < sparse->count; i++)
		buffer_printf(&sparse->map, "%lld\n%lld\n", (long long)sparse->extents[i][0],
			(long long)sparse->extents[i][1]);
	buffer_add(&sparse->map, zeros, (TAR_BLOCK - sparse->map.length % TAR_BLOCK) % TAR_BLOCK);
}

bool sparse_find(SparseFile *ret, int fd, const struct stat *status)
{
	if ((int64_t)status->st_blocks * STAT_BLOCK >= status->st_size)
		return false;
	if (!find_extents(ret, fd, status->st_size) || ret->data == status->st_size)
		return false;
	write_map(ret);
	return true;
}

void sparse_records(Buffer *records, const char *path, int64_t size)
{
	char text[24];

	snprintf(text, sizeof(text), "%lld", (long long)size);
	pax_add(records, "GNU.sparse.major", "1", 1);
	pax_add(records, "GNU.sparse.minor", "0", 1);
	pax_add(records, "GNU.sparse.name", path, strlen(path));
	pax_add(records, "GNU.sparse.realsize", text, strlen(text));
}

int64_t sparse_size(const SparseFile *sparse)
{
	return (int64_t)sparse->map.length + sparse->data;
}

Error *sparse_write(const SparseFile *sparse, TarOut *out, int fd, const char *path)
{
	TRY(tar_out_data(out, sparse->map.data, sparse->map.length));
	for (size_t i = 0; i < sparse->count; i++)
		TRY(content_copy(out, fd, sparse->extents[i][0], sparse->extents[i][1], path));
	return NULL;
}

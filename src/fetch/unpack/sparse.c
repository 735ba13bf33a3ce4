// SPDX-License-Identifier: Apache-2.0
#include <stdlib.h>

#include "base/memory.h"
#include "fetch/unpack/sparse.h"
#include "fetch/unpack/tar.h"

void sparse_reset(SparseMap *map)
{
	map->count = map->at = 0;
	map->done = 0;
}

void sparse_clear(SparseMap *map)
{
	free(map->extents);
	*map = (SparseMap){0};
}

Error *sparse_add(SparseMap *map, int64_t offset, int64_t length)
{
	if (map->count == TAR_EXTENTS_MAX)
		return error_new(ERROR_TOO_LARGE, "sparse file has more than %d pieces", TAR_EXTENTS_MAX);
	if (map->count == map->capacity) {
		map->capacity = map->capacity ? map->capacity * 2 : 32;
		map->extents = mem_array(map->extents, map->capacity, sizeof *map->extents);
	}
	map->extents[map->count++] = (SparseExtent){offset, length};
	return NULL;
}

Error *sparse_check(const SparseMap *map, int64_t size, int64_t content)
{
	int64_t end = 0, total = 0;

	for (size_t i = 0; i < map->count; i++) {
		const SparseExtent *extent = &map->extents[i];
		if (extent->offset < end || extent->length < 0 || extent->length > size - extent->offset)
			return error_new(ERROR_INVALID, "map of the sparse file is invalid");
		end = extent->offset + extent->length;
		total += extent->length;
	}
	if (total != content)
		return error_new(ERROR_INVALID, "map of the sparse file does not fit its contents");
	return NULL;
}

void sparse_place(SparseMap *map, int64_t *ret_offset, int64_t *ret_room)
{
	while (map->at < map->count && map->done == map->extents[map->at].length) {
		map->at++;
		map->done = 0;
	}
	*ret_offset = map->at < map->count ? map->extents[map->at].offset + map->done : 0;
	*ret_room = map->at < map->count ? map->extents[map->at].length - map->done : 0;
}

void sparse_advance(SparseMap *map, int64_t length)
{
	map->done += length;
}

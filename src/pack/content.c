// SPDX-License-Identifier: Apache-2.0
#include "pack/content.h"

#include <errno.h>
#include <unistd.h>

#include "base/memory.h"

enum { PIECE = 128 << 10 };

Error *content_copy(TarOut *out, int fd, int64_t offset, int64_t length, const char *path)
{
	autofree char *piece = mem_alloc(PIECE);

	while (length > 0) {
		ssize_t got = pread(fd, piece, length < PIECE ? (size_t)length : PIECE, offset);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return error_errno(errno, "could not read \"%.300s\"", path);
		if (got == 0)
			return tar_out_zeros(out, length);
		TRY(tar_out_data(out, piece, (size_t)got));
		offset += got;
		length -= got;
	}
	return NULL;
}

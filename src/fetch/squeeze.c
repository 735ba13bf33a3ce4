// SPDX-License-Identifier: Apache-2.0
#include "fetch/squeeze.h"

#include <stdlib.h>
#include <zlib.h>

#include "base/files.h"
#include "base/memory.h"
#include "fetch/hash.h"

enum { OUT_LENGTH = 256 << 10, GZIP_WINDOW = 15 + 16, MEMORY_LEVEL = 8 };

struct Squeeze {
	int fd;
	z_stream stream;
	Hash *plain, *squeezed;
	unsigned char out[OUT_LENGTH];
};

Squeeze *squeeze_new(int fd)
{
	Squeeze *squeeze = mem_new(Squeeze);

	squeeze->fd = fd;
	squeeze->plain = hash_new();
	squeeze->squeezed = hash_new();
	if (deflateInit2(&squeeze->stream, Z_DEFAULT_COMPRESSION, Z_DEFLATED, GZIP_WINDOW, MEMORY_LEVEL,
		    Z_DEFAULT_STRATEGY) != Z_OK)
		abort(); /* no memory: as any allocation (base/memory.h) */
	return squeeze;
}

Squeeze *squeeze_free(Squeeze *squeeze)
{
	if (!squeeze)
		return NULL;
	deflateEnd(&squeeze->stream);
	hash_free(squeeze->plain);
	hash_free(squeeze->squeezed);
	free(squeeze);
	return NULL;
}

static fallible deflate_some(Squeeze *squeeze, int flush)
{
	squeeze->stream.next_out = squeeze->out;
	squeeze->stream.avail_out = OUT_LENGTH;
	deflate(&squeeze->stream, flush);
	size_t length = OUT_LENGTH - squeeze->stream.avail_out;
	hash_add(squeeze->squeezed, squeeze->out, length);
	return file_write_all(squeeze->fd, squeeze->out, length, "archive");
}

Error *squeeze_add(void *arg, const void *data, size_t length)
{
	Squeeze *squeeze = arg;

	hash_add(squeeze->plain, data, length);
	squeeze->stream.next_in = (unsigned char *)data;
	squeeze->stream.avail_in = length;
	while (squeeze->stream.avail_in)
		TRY(deflate_some(squeeze, Z_NO_FLUSH));
	return NULL;
}

Error *squeeze_end(Squeeze *squeeze, Digest *ret_plain, Digest *ret_squeezed)
{
	do
		TRY(deflate_some(squeeze, Z_FINISH));
	while (!squeeze->stream.avail_out);
	hash_end(squeeze->plain, ret_plain);
	hash_end(squeeze->squeezed, ret_squeezed);
	return NULL;
}

// SPDX-License-Identifier: Apache-2.0
/* gzip by zlib: where there is no ISA-L. */
#include <stdlib.h>
#include <zlib.h>

#include "base/memory.h"
#include "fetch/unpack/inflater.h"

enum { GZIP_FIRST_BYTE = 0x1f };

typedef struct Gzip {
	z_stream stream;
	bool between;
	Padding padding;
} Gzip;

enum { WINDOW_BITS_GZIP_ONLY = 15 + 16 };

static void *gzip_open(void)
{
	Gzip *gzip = mem_new(Gzip);

	if (inflateInit2(&gzip->stream, WINDOW_BITS_GZIP_ONLY) != Z_OK)
		abort(); /* out of memory, as in mem_alloc() */
	gzip->between = true;
	return gzip;
}

static fallible start_member(Gzip *gzip, Flow *flow, bool *ret_more)
{
	TRY(padding_skip(&gzip->padding, flow, GZIP_FIRST_BYTE, ret_more));
	if (!*ret_more)
		return NULL;
	inflateReset(&gzip->stream);
	gzip->between = false;
	return NULL;
}

static fallible gzip_step(void *state, Flow *flow)
{
	Gzip *gzip = state;
	z_stream *stream = &gzip->stream;
	bool more = true;
	int result;

	if (gzip->between)
		TRY(start_member(gzip, flow, &more));
	if (!more)
		return NULL;
	stream->next_in = (Bytef *)(uintptr_t)flow->in;
	stream->avail_in = (uInt)flow->in_length;
	stream->next_out = flow->out;
	stream->avail_out = (uInt)flow->out_room;
	result = inflate(stream, Z_NO_FLUSH);
	if (result != Z_OK && result != Z_STREAM_END && result != Z_BUF_ERROR)
		return error_new(ERROR_INVALID, "archive's gzip stream is corrupt: %s",
			stream->msg ? stream->msg : "invalid data");
	flow->in = stream->next_in;
	flow->in_length = stream->avail_in;
	flow->out = stream->next_out;
	flow->out_room = stream->avail_out;
	gzip->between = result == Z_STREAM_END;
	return NULL;
}

static bool gzip_is_between(const void *state)
{
	const Gzip *gzip = state;

	return gzip->between;
}

static void gzip_close(void *state)
{
	Gzip *gzip = state;

	inflateEnd(&gzip->stream);
	free(gzip);
}

const Codec codec_gzip_zlib = {.name = "gzip",
	.magic = {0x1f, 0x8b},
	.magic_length = 2,
	.open = gzip_open,
	.step = gzip_step,
	.is_between = gzip_is_between,
	.close = gzip_close};

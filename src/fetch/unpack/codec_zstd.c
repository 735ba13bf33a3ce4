// SPDX-License-Identifier: Apache-2.0
#include <stdlib.h>
#include <zstd.h>

#include "base/memory.h"
#include "fetch/unpack/inflater.h"

enum { WINDOW_LOG_MAX = 27 };

typedef struct Zstd {
	ZSTD_DCtx *context;
	bool between;
	Padding padding;
} Zstd;

static void *zstd_open(void)
{
	Zstd *zstd = mem_new(Zstd);

	zstd->context = ZSTD_createDCtx();
	if (!zstd->context)
		abort(); /* out of memory, as in mem_alloc() */
	(void)ZSTD_DCtx_setParameter(zstd->context, ZSTD_d_windowLogMax, WINDOW_LOG_MAX);
	zstd->between = true;
	return zstd;
}

static fallible zstd_step(void *state, Flow *flow)
{
	Zstd *zstd = state;
	bool more = true;
	size_t result;

	if (zstd->between)
		TRY(padding_skip(&zstd->padding, flow, -1, &more));
	if (!more)
		return NULL;
	ZSTD_inBuffer in = {flow->in, flow->in_length, 0};
	ZSTD_outBuffer out = {flow->out, flow->out_room, 0};
	result = ZSTD_decompressStream(zstd->context, &out, &in);
	if (ZSTD_isError(result))
		return error_new(ERROR_INVALID, "archive's zstd stream is corrupt: %s", ZSTD_getErrorName(result));
	flow->in += in.pos;
	flow->in_length -= in.pos;
	flow->out += out.pos;
	flow->out_room -= out.pos;
	zstd->between = result == 0;
	return NULL;
}

static bool zstd_is_between(const void *state)
{
	const Zstd *zstd = state;

	return zstd->between;
}

static void zstd_close(void *state)
{
	Zstd *zstd = state;

	ZSTD_freeDCtx(zstd->context);
	free(zstd);
}

const Codec codec_zstd = {.name = "zstd",
	.magic = {0x28, 0xb5, 0x2f, 0xfd},
	.magic_length = 4,
	.open = zstd_open,
	.step = zstd_step,
	.is_between = zstd_is_between,
	.close = zstd_close};

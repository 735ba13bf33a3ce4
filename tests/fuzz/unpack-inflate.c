// SPDX-License-Identifier: Apache-2.0
/* Compressed streams: every gzip codec gives the same bytes for what both take, and none gives more than there is room
 * for. */
#include <string.h>

#include "base/memory.h"
#include "fetch/unpack/inflater.h"
#include "fuzz.h"

enum { OUT_MAX = 1 << 18 };

typedef struct Output {
	uint8_t data[OUT_MAX];
	size_t length;
	bool whole;
} Output;

/* in_step and out_step bytes at a time; ends early when the output is full. */
static void decode(const Codec *codec, const uint8_t *data, size_t size, size_t in_step, size_t out_step, Output *to)
{
	void *state = codec->open();
	Error *error = NULL;
	size_t at = 0;

	to->length = 0;
	for (bool moved = true; moved && !error && to->length < OUT_MAX;) {
		size_t in = size - at < in_step ? size - at : in_step;
		size_t room = OUT_MAX - to->length < out_step ? OUT_MAX - to->length : out_step;
		Flow flow = {data + at, in, to->data + to->length, room};
		error = codec->step(state, &flow);
		if (error)
			break;
		must_hold(flow.in_length <= in && flow.out_room <= room);
		moved = flow.in_length < in || flow.out_room < room;
		at += in - flow.in_length;
		to->length += room - flow.out_room;
	}
	to->whole = !error && at == size && codec->is_between(state);
	error_free(error);
	codec->close(state);
}

static void check_same(const Output *a, const Output *b)
{
	if (!a->whole || !b->whole)
		return;
	must_hold(a->length == b->length && memcmp(a->data, b->data, a->length) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static Output one, other;

	decode(&codec_zstd, data, size, size, OUT_MAX, &one);
	decode(&codec_zstd, data, size, 7, 1000, &other);
	check_same(&one, &other);
	decode(&codec_gzip_zlib, data, size, size, OUT_MAX, &one);
#ifdef HAVE_ISAL
	decode(&codec_gzip_isal, data, size, size, OUT_MAX, &other);
	check_same(&one, &other);
	decode(&codec_gzip_isal, data, size, 7, 1000, &one);
	check_same(&one, &other);
#else
	decode(&codec_gzip_zlib, data, size, 7, 1000, &other);
	check_same(&one, &other);
#endif
	return 0;
}

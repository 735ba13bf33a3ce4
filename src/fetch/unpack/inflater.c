// SPDX-License-Identifier: Apache-2.0
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "fetch/unpack/inflater.h"

enum { INFLATER_INPUT_SIZE = 128 * 1024, MAGIC_MAX = 6 };

struct Inflater {
	Input *input;
	const Codec *gzip;
	const Codec *codec; /* NULL before the first bytes were seen */
	void *state;
	uint8_t buffer[INFLATER_INPUT_SIZE];
	Flow flow;
	bool input_ended;
};

/* Formats that are known by sight, to say more than "not a tar archive". */
static const struct {
	const char *name;
	uint8_t magic[6];
	size_t length;
} refused[] = {
	{"xz", {0xfd, '7', 'z', 'X', 'Z', 0}, 6},
	{"bzip2", {'B', 'Z', 'h'}, 3},
	{"lz4", {0x04, 0x22, 0x4d, 0x18}, 4},
	{"zip", {'P', 'K', 3, 4}, 4},
};

Inflater *inflater_new_gzip(Input *input, const Codec *gzip)
{
	Inflater *inflater = mem_new(Inflater);

	inflater->input = input;
	inflater->gzip = gzip;
	inflater->flow.in = inflater->buffer;
	return inflater;
}

Inflater *inflater_new(Input *input)
{
#ifdef HAVE_ISAL
	return inflater_new_gzip(input, &codec_gzip_isal);
#else
	return inflater_new_gzip(input, &codec_gzip_zlib);
#endif
}

Inflater *inflater_free(Inflater *inflater)
{
	if (!inflater)
		return NULL;
	if (inflater->codec)
		inflater->codec->close(inflater->state);
	free(inflater);
	return NULL;
}

const char *inflater_format(const Inflater *inflater)
{
	return inflater->codec ? inflater->codec->name : NULL;
}

/* Moves what is left to the front and reads more behind it. */
static fallible refill(Inflater *inflater)
{
	Flow *flow = &inflater->flow;
	size_t got = 0;

	memmove(inflater->buffer, flow->in, flow->in_length);
	flow->in = inflater->buffer;
	TRY(input_read(
		inflater->input, inflater->buffer + flow->in_length, INFLATER_INPUT_SIZE - flow->in_length, &got));
	flow->in_length += got;
	inflater->input_ended = got == 0;
	return NULL;
}

static bool starts_with(const Flow *flow, const uint8_t *magic, size_t length)
{
	return flow->in_length >= length && memcmp(flow->in, magic, length) == 0;
}

static fallible choose_codec(Inflater *inflater)
{
	const Codec *known[] = {inflater->gzip, &codec_zstd};
	const Flow *flow = &inflater->flow;

	while (flow->in_length < MAGIC_MAX && !inflater->input_ended)
		TRY(refill(inflater));
	for (size_t i = 0; i < sizeof refused / sizeof *refused; i++)
		if (starts_with(flow, refused[i].magic, refused[i].length))
			return error_hint(
				error_new(ERROR_UNSUPPORTED, "archive is compressed with %s", refused[i].name),
				"use gzip, zstd or no compression");
	inflater->codec = &codec_plain;
	for (size_t i = 0; i < sizeof known / sizeof *known; i++)
		if (starts_with(flow, known[i]->magic, known[i]->magic_length))
			inflater->codec = known[i];
	inflater->state = inflater->codec->open();
	return NULL;
}

/* What is not compressed need not go through the buffer. */
static fallible read_straight(Inflater *inflater)
{
	Flow *flow = &inflater->flow;
	size_t got = 0;

	TRY(input_read(inflater->input, flow->out, flow->out_room, &got));
	flow->out += got;
	flow->out_room -= got;
	inflater->input_ended = got == 0;
	return NULL;
}

/* One step; without progress, more input. *ret_end: nothing will come any more. */
static fallible advance(Inflater *inflater, bool *ret_end)
{
	Flow *flow = &inflater->flow;
	size_t in = flow->in_length, out = flow->out_room;

	TRY(inflater->codec->step(inflater->state, flow));
	if (flow->in_length != in || flow->out_room != out)
		return NULL;
	if (!inflater->input_ended)
		return inflater->codec == &codec_plain ? read_straight(inflater) : refill(inflater);
	if (!inflater->codec->is_between(inflater->state))
		return error_new(ERROR_INVALID, "archive ends in the middle of its %s stream", inflater->codec->name);
	*ret_end = true;
	return NULL;
}

Error *inflater_read(Inflater *inflater, uint8_t *to, size_t room, size_t *ret_length)
{
	bool end = false;

	if (!inflater->codec)
		TRY(choose_codec(inflater));
	inflater->flow.out = to;
	inflater->flow.out_room = room;
	while (!end && inflater->flow.out_room > 0)
		TRY(advance(inflater, &end));
	*ret_length = room - inflater->flow.out_room;
	return NULL;
}

Error *padding_skip(Padding *padding, Flow *flow, int first, bool *ret_more)
{
	while (flow->in_length > 0 && *flow->in == 0) {
		flow->in++;
		flow->in_length--;
		padding->seen = true;
	}
	if (flow->in_length > 0 && (padding->seen || (first >= 0 && *flow->in != first)))
		return error_new(ERROR_INVALID, "archive has bytes behind the end of its compressed stream");
	*ret_more = flow->in_length > 0;
	return NULL;
}

/* ---- no compression ---- */

static void *plain_open(void)
{
	return NULL;
}

static fallible plain_step(void *state, Flow *flow)
{
	size_t count = flow->in_length < flow->out_room ? flow->in_length : flow->out_room;

	(void)state;
	memcpy(flow->out, flow->in, count);
	flow->in += count;
	flow->in_length -= count;
	flow->out += count;
	flow->out_room -= count;
	return NULL;
}

static bool plain_is_between(const void *state)
{
	(void)state;
	return true;
}

static void plain_close(void *state)
{
	(void)state;
}

const Codec codec_plain = {
	.name = "plain", .open = plain_open, .step = plain_step, .is_between = plain_is_between, .close = plain_close};

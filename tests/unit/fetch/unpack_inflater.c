// SPDX-License-Identifier: Apache-2.0
/* Every codec, fed in pieces of every size: the pieces must not be seen in what comes out. */
#include <fcntl.h>
#include <pthread.h>
#include <sys/mman.h>
#include <zlib.h>
#include <zstd.h>

#include "base/buffer.h"
#include "base/memory.h"
#include "check.h"
#include "fetch/unpack/inflater.h"

/* Runs that repeat at many distances, and noise between. */
static void fill(uint8_t *data, size_t size)
{
	uint32_t random = 12345;

	for (size_t i = 0; i < size; i++) {
		random = random * 1103515245 + 12345;
		data[i] = i % 700 < 500 ? (uint8_t)(i % 251) : (uint8_t)(random >> 16);
	}
}

static void add_gzip(Buffer *to, const uint8_t *data, size_t size)
{
	z_stream stream = {0};
	size_t room = compressBound(size) + 64;

	assert_int_equal(deflateInit2(&stream, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
	stream.next_in = (Bytef *)(uintptr_t)data;
	stream.avail_in = (uInt)size;
	stream.next_out = (Bytef *)buffer_reserve(to, room);
	stream.avail_out = (uInt)room;
	assert_int_equal(deflate(&stream, Z_FINISH), Z_STREAM_END);
	buffer_commit(to, stream.total_out);
	deflateEnd(&stream);
}

static void add_zstd(Buffer *to, const uint8_t *data, size_t size)
{
	size_t room = ZSTD_compressBound(size);
	size_t length = ZSTD_compress(buffer_reserve(to, room), room, data, size, 3);

	assert_false(ZSTD_isError(length));
	buffer_commit(to, length);
}

/* Steps a codec as the inflater would, with in_step bytes at a time in and out_step out. */
static Error *decode(const Codec *codec, const Buffer *packed, size_t in_step, size_t out_step, Buffer *to)
{
	void *state = codec->open();
	Error *error = NULL;
	size_t at = 0;

	for (;;) {
		size_t left = packed->length - at, in = left < in_step ? left : in_step;
		Flow flow = {(const uint8_t *)packed->data + at, in, (uint8_t *)buffer_reserve(to, out_step), out_step};
		error = codec->step(state, &flow);
		if (error)
			break;
		buffer_commit(to, out_step - flow.out_room);
		at += in - flow.in_length;
		if (in - flow.in_length == 0 && flow.out_room == out_step)
			break;
	}
	if (!error && (at < packed->length || !codec->is_between(state)))
		error = error_new(ERROR_INVALID, "short");
	codec->close(state);
	return error;
}

typedef struct Case {
	const Codec *codec;
	void (*add)(Buffer *to, const uint8_t *data, size_t size);
} Case;

static const Case cases[] = {
#ifdef HAVE_ISAL
	{&codec_gzip_isal, add_gzip},
#endif
	{&codec_gzip_zlib, add_gzip},
	{&codec_zstd, add_zstd},
};

enum { SIZE = 150000, CASES = sizeof cases / sizeof *cases };

static void test_pieces(void **state)
{
	static const size_t steps[] = {1, 7, 64, 511, 4096, 131072};
	enum { STEPS = sizeof steps / sizeof *steps };
	autofree uint8_t *data = malloc(SIZE);

	(void)state;
	fill(data, SIZE);
	for (size_t i = 0; i < CASES; i++) {
		autoclear(Buffer) packed = {0};
		cases[i].add(&packed, data, 100);
		cases[i].add(&packed, data + 100, 0);
		cases[i].add(&packed, data + 100, SIZE - 100);
		buffer_add(&packed, "\0\0\0\0\0\0\0", 7);
		for (size_t j = 0; j < STEPS * STEPS; j++) {
			autoclear(Buffer) out = {0};
			check_ok(decode(cases[i].codec, &packed, steps[j / STEPS], steps[j % STEPS], &out));
			assert_int_equal(out.length, SIZE);
			assert_memory_equal(out.data, data, SIZE);
		}
	}
}

/* Each bit of a small stream turned over: an error or, where no checksum covers it, the same bytes. */
static void test_every_bit(void **state)
{
	uint8_t data[600];

	(void)state;
	fill(data, sizeof data);
	for (size_t i = 0; i < CASES; i++) {
		autoclear(Buffer) packed = {0};
		cases[i].add(&packed, data, sizeof data);
		size_t whole = packed.length;
		for (size_t bit = 0; bit < whole * 8; bit++) {
			autoclear(Buffer) out = {0};
			packed.data[bit / 8] ^= (char)(1 << bit % 8);
			Error *error = decode(cases[i].codec, &packed, 1000, 1000, &out);
			packed.data[bit / 8] ^= (char)(1 << bit % 8);
			if (!error && cases[i].add == add_gzip) {
				assert_int_equal(out.length, sizeof data);
				assert_memory_equal(out.data, data, sizeof data);
			}
			error_free(error);
		}
	}
}

static void test_every_length(void **state)
{
	uint8_t data[600];

	(void)state;
	fill(data, sizeof data);
	for (size_t i = 0; i < CASES; i++) {
		autoclear(Buffer) packed = {0};
		cases[i].add(&packed, data, sizeof data);
		for (size_t whole = packed.length; packed.length > 1;) {
			autoclear(Buffer) out = {0};
			packed.length--;
			Error *error = decode(cases[i].codec, &packed, whole, 1000, &out);
			assert_non_null(error);
			error_free(error);
		}
	}
}

/* ---- an input that grows while it is read ---- */

static void *allow_slowly(void *arg)
{
	for (int64_t i = 1; i <= SIZE; i += 997)
		input_allow(arg, i, false);
	input_allow(arg, SIZE, true);
	return NULL;
}

static void test_growing(void **state)
{
	autofree uint8_t *data = malloc(SIZE), *got = malloc(SIZE + 1);
	autofd file = memfd_create("input", MFD_CLOEXEC);
	autoptr(Input) input = input_new(file, -1);
	autoptr(Inflater) inflater = inflater_new(input);
	pthread_t thread;
	size_t length = 0;

	(void)state;
	fill(data, SIZE);
	assert_int_equal(write(file, data, SIZE), SIZE);
	assert_int_equal(pthread_create(&thread, NULL, allow_slowly, input), 0);
	check_ok(inflater_read(inflater, got, SIZE + 1, &length));
	pthread_join(thread, NULL);
	assert_int_equal(length, SIZE);
	assert_memory_equal(got, data, SIZE);
	assert_string_equal(inflater_format(inflater), "plain");
	check_ok(inflater_read(inflater, got, SIZE, &length));
	assert_int_equal(length, 0);
	assert_int_equal(input_position(input), SIZE);
}

static void test_stopped(void **state)
{
	autofd file = memfd_create("input", MFD_CLOEXEC);
	autoptr(Input) input = input_new(file, -1);
	size_t length;
	char byte;

	(void)state;
	input_stop(input);
	check_error(input_read(input, &byte, 1, &length), ERROR_CANCELLED, "unpacking was stopped");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pieces),
		cmocka_unit_test(test_every_bit),
		cmocka_unit_test(test_every_length),
		cmocka_unit_test(test_growing),
		cmocka_unit_test(test_stopped),
	};

	return cmocka_run_group_tests_name("unpack-inflater", tests, NULL, NULL);
}

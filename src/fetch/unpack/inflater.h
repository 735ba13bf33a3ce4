// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Decompression of an archive: gzip (RFC 1952, several members), zstd (RFC 8878, several frames) or none, told by the
 * first bytes. Zero bytes behind the last member are padding; anything else there is an error, as is an end in the
 * middle. zstd windows over 128 MiB are refused: that and about 0.5 MiB is the most memory that an archive can make it
 * use.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "fetch/unpack/input.h"

/* What a codec works on: it takes bytes from the front of in and appends to out. */
typedef struct Flow {
	const uint8_t *in;
	size_t in_length;
	uint8_t *out;
	size_t out_room;
} Flow;

typedef struct Codec {
	const char *name;
	uint8_t magic[6];
	size_t magic_length;
	void *(*open)(void);
	fallible (*step)(void *state, Flow *flow); /* as far as it goes; no progress means that it wants input */
	bool (*is_between)(const void *state);     /* the archive may end here */
	void (*close)(void *state);
} Codec;

extern const Codec codec_plain, codec_gzip_isal, codec_gzip_zlib, codec_zstd;

/* Padding between the end of one member and the end of the file, shared by codecs. */
typedef struct Padding {
	bool seen;
} Padding;

/*
 * Skips zeros. *ret_more: the first byte of another member is next. An error when it is not that of one (first; -1: the
 * codec will see), or when padding came before it.
 */
fallible padding_skip(Padding *padding, Flow *flow, int first, bool *ret_more);

typedef struct Inflater Inflater;

Inflater *inflater_new(Input *input);                         /* borrowed */
Inflater *inflater_new_gzip(Input *input, const Codec *gzip); /* tests: with a certain gzip codec */
Inflater *inflater_free(Inflater *inflater);
DEFINE_AUTOPTR(Inflater, inflater_free)

/* Fills room whole, unless the archive ends. */
fallible inflater_read(Inflater *inflater, uint8_t *to, size_t room, size_t *ret_length);
const char *inflater_format(const Inflater *inflater); /* "gzip"; NULL before the first read */

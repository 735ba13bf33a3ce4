// SPDX-License-Identifier: Apache-2.0
#include "cli/demux.h"

#include <string.h>

#include "base/files.h"

enum { STREAM_STDIN, STREAM_STDOUT, STREAM_STDERR, STREAM_SYSTEM_ERROR };

static fallible put(int fd, const char *data, size_t length)
{
	return fd < 0 ? NULL : file_write_all(fd, data, length, "the output");
}

static uint32_t frame_length(const unsigned char *header)
{
	return (uint32_t)header[4] << 24 | (uint32_t)header[5] << 16 | (uint32_t)header[6] << 8 | header[7];
}

static fallible check_header(const unsigned char *header)
{
	if (header[0] > STREAM_SYSTEM_ERROR || header[1] || header[2] || header[3])
		return error_new(ERROR_UNAVAILABLE, "the container's output is not in the form that was announced");
	return NULL;
}

/* Fills the header; *ret_used: bytes of data that went into it. */
static fallible feed_header(Demux *demux, const char *data, size_t length, size_t *ret_used)
{
	size_t missing = DEMUX_HEADER - demux->header_length;

	*ret_used = length < missing ? length : missing;
	memcpy(demux->header + demux->header_length, data, *ret_used);
	demux->header_length += *ret_used;
	if (demux->header_length < DEMUX_HEADER)
		return NULL;
	TRY(check_header(demux->header));
	demux->remaining = frame_length(demux->header);
	if (demux->remaining == 0)
		demux->header_length = 0;
	return NULL;
}

static fallible feed_data(Demux *demux, const char *data, size_t length, size_t *ret_used)
{
	bool is_error = demux->header[0] >= STREAM_STDERR;

	*ret_used = length < demux->remaining ? length : demux->remaining;
	TRY(put(is_error ? demux->err : demux->out, data, *ret_used));
	demux->remaining -= (uint32_t)*ret_used;
	if (demux->remaining == 0)
		demux->header_length = 0;
	return NULL;
}

fallible demux_feed(Demux *demux, const char *data, size_t length)
{
	if (demux->is_raw)
		return put(demux->out, data, length);
	while (length > 0) {
		size_t used;
		if (demux->header_length < DEMUX_HEADER)
			TRY(feed_header(demux, data, length, &used));
		else
			TRY(feed_data(demux, data, length, &used));
		data += used;
		length -= used;
	}
	return NULL;
}

fallible demux_end(const Demux *demux)
{
	if (demux->header_length > 0)
		return error_new(ERROR_UNAVAILABLE, "the container's output was cut off");
	return NULL;
}

// SPDX-License-Identifier: Apache-2.0
#include "telemetry/msgpack.h"

#include <arpa/inet.h>
#include <endian.h>
#include <string.h>

enum { MORE = 0, WRONG = -1 };

/* ---- writing ---- */

static void put_byte(Buffer *out, unsigned byte)
{
	buffer_add_char(out, (char)byte);
}

static void put_16(Buffer *out, unsigned kind, size_t value)
{
	uint16_t big = htons((uint16_t)value);

	put_byte(out, kind);
	buffer_add(out, &big, sizeof(big));
}

static void put_32(Buffer *out, unsigned kind, size_t value)
{
	uint32_t big = htonl((uint32_t)value);

	put_byte(out, kind);
	buffer_add(out, &big, sizeof(big));
}

void msgpack_array(Buffer *out, uint32_t count)
{
	if (count < 16)
		put_byte(out, 0x90 | count);
	else if (count < 65536)
		put_16(out, 0xdc, count);
	else
		put_32(out, 0xdd, count);
}

void msgpack_map(Buffer *out, uint32_t count)
{
	if (count < 16)
		put_byte(out, 0x80 | count);
	else if (count < 65536)
		put_16(out, 0xde, count);
	else
		put_32(out, 0xdf, count);
}

void msgpack_text(Buffer *out, const char *text, size_t length)
{
	if (length < 32)
		put_byte(out, 0xa0 | (unsigned)length);
	else if (length < 256) {
		put_byte(out, 0xd9);
		put_byte(out, (unsigned)length);
	} else if (length < 65536)
		put_16(out, 0xda, length);
	else
		put_32(out, 0xdb, length);
	buffer_add(out, text, length);
}

void msgpack_number(Buffer *out, uint64_t number)
{
	uint64_t big = htobe64(number);

	if (number < 128)
		put_byte(out, (unsigned)number);
	else if (number <= UINT32_MAX)
		put_32(out, 0xce, number);
	else {
		put_byte(out, 0xcf);
		buffer_add(out, &big, sizeof(big));
	}
}

void msgpack_event_time(Buffer *out, uint32_t seconds, uint32_t nanos)
{
	uint32_t parts[] = {htonl(seconds), htonl(nanos)};

	put_byte(out, 0xd7);
	put_byte(out, 0);
	buffer_add(out, parts, sizeof(parts));
}

/* ---- reading ---- */

typedef struct Reader {
	const unsigned char *at, *end;
} Reader;

/* A big-endian number of that many bytes; MORE when they are not there. */
static int read_size(Reader *reader, size_t bytes, size_t *ret)
{
	size_t size = 0;

	if ((size_t)(reader->end - reader->at) < bytes)
		return MORE;
	for (size_t i = 0; i < bytes; i++)
		size = size << 8 | *reader->at++;
	*ret = size;
	return 1;
}

static int read_text_size(Reader *reader, size_t *ret)
{
	if (reader->at == reader->end)
		return MORE;
	unsigned kind = *reader->at++;
	if ((kind & 0xe0) == 0xa0) {
		*ret = kind & 0x1f;
		return 1;
	}
	if (kind == 0xd9 || kind == 0xc4)
		return read_size(reader, 1, ret);
	return kind == 0xda || kind == 0xc5 ? read_size(reader, 2, ret) : WRONG;
}

static int read_text(Reader *reader, MsgpackText *ret)
{
	size_t size = 0;
	int result = read_text_size(reader, &size);

	if (result != 1)
		return result;
	if ((size_t)(reader->end - reader->at) < size)
		return MORE;
	*ret = (MsgpackText){(const char *)reader->at, size};
	reader->at += size;
	return 1;
}

int msgpack_read_map(MsgpackText *ret, const char *key, const void *data, size_t length)
{
	Reader reader = {data, (const unsigned char *)data + length};
	MsgpackText name, value;

	*ret = (MsgpackText){0};
	if (length == 0)
		return MORE;
	unsigned kind = *reader.at++;
	if ((kind & 0xf0) != 0x80)
		return WRONG;
	for (unsigned i = 0; i < (kind & 0xf); i++) {
		int result = read_text(&reader, &name);
		result = result == 1 ? read_text(&reader, &value) : result;
		if (result != 1)
			return result;
		if (name.length == strlen(key) && memcmp(name.data, key, name.length) == 0)
			*ret = value;
	}
	return (int)(reader.at - (const unsigned char *)data);
}

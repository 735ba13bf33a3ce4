// SPDX-License-Identifier: Apache-2.0
/*
 * Graylog's extended log format 1.1: JSON, over UDP compressed and in chunks where it is large, over TCP each with a
 * NUL behind it. Fields as Docker's. Source: go2docs.graylog.org (GELF), moby daemon/logger/gelf/gelf.go.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "base/clock.h"
#include "base/memory.h"
#include "telemetry/driver.h"
#include "telemetry/jsontext.h"

enum {
	LEVEL_ERROR = 3,
	LEVEL_INFO = 6,
	CHUNK_SIZE = 1420, /* of a datagram that no link takes apart */
	CHUNK_HEAD = 12,
	CHUNKS_MAX = 128,
	GZIP_WINDOW = 15 + 16,
	ZLIB_WINDOW = 15,
	MEMORY_LEVEL = 8,
};

struct LogDriver {
	Buffer head, rest; /* around what differs from message to message */
	Buffer message;
	int window; /* 0: not compressed */
	int level;
	uint64_t next_id;
};

/* ---- what every message has ---- */

static void add_member(Buffer *out, const char *name, const char *value)
{
	if (!value)
		return;
	buffer_add_char(out, ',');
	json_add_text(out, name, strlen(name));
	buffer_add_char(out, ':');
	json_add_text(out, value, strlen(value));
}

static void add_rest(Buffer *out, const LogTarget *target)
{
	add_member(out, "_container_id", target->id);
	add_member(out, "_container_name", target->name);
	add_member(out, "_image_id", target->image_id);
	add_member(out, "_image_name", target->image_name);
	add_member(out, "_command", target->command);
	add_member(out, "_tag", target->tag);
	add_member(out, "_created", target->created);
	for (size_t i = 0; i < target->attributes.count; i++) {
		autofree char *name = string_printf("_%s", target->attributes.items[i].key);
		if (strcmp(name, "_id") != 0) /* the format's own */
			add_member(out, name, target->attributes.items[i].value);
	}
	buffer_add_char(out, '}');
}

static void set_compression(LogDriver *driver, const LogTarget *target)
{
	const char *type = log_target_option(target, "gelf-compression-type");
	const char *level = log_target_option(target, "gelf-compression-level");

	driver->window = string_equal(type, "none") ? 0 : string_equal(type, "zlib") ? ZLIB_WINDOW : GZIP_WINDOW;
	driver->level = level ? atoi(level) : Z_BEST_SPEED;
}

static fallible open_driver(LogDriver **ret, LogAddress *ret_address, const LogTarget *target)
{
	TRY(log_address_parse(ret_address, log_target_option(target, "gelf-address"), &log_address_gelf));
	LogDriver *driver = mem_new(LogDriver);
	if (ret_address->transport == LOG_UDP)
		set_compression(driver, target);
	buffer_add_text(&driver->head, "{\"version\":\"1.1\",\"host\":");
	json_add_text(&driver->head, target->host ? target->host : "", target->host ? strlen(target->host) : 0);
	add_rest(&driver->rest, target);
	driver->next_id = (uint64_t)clock_wall_ns();
	*ret = driver;
	return NULL;
}

static void close_driver(LogDriver *driver)
{
	buffer_clear(&driver->head);
	buffer_clear(&driver->rest);
	buffer_clear(&driver->message);
	free(driver);
}

/* ---- a message ---- */

static void write_message(LogDriver *driver, const LogEntry *entry)
{
	Buffer *out = &driver->message;
	int64_t millis = entry->wall_ns / NANOS_PER_MILLI;

	buffer_truncate(out, 0);
	buffer_add(out, driver->head.data, driver->head.length);
	buffer_add_text(out, ",\"short_message\":");
	json_add_text(out, entry->data, entry->length);
	buffer_printf(out, ",\"timestamp\":%" PRId64 ".%03d,\"level\":%d", millis / 1000, (int)(millis % 1000),
		entry->stream == LOG_STDERR ? LEVEL_ERROR : LEVEL_INFO);
	buffer_add(out, driver->rest.data, driver->rest.length);
}

/* Gives what is to be sent: in `ret`, or, where compressing is off or fails, the message itself. */
static const Buffer *squeeze(const LogDriver *driver, Buffer *ret)
{
	z_stream stream = {0};

	if (!driver->window || deflateInit2(&stream, driver->level, Z_DEFLATED, driver->window, MEMORY_LEVEL,
				       Z_DEFAULT_STRATEGY) != Z_OK)
		return &driver->message;
	size_t bound = deflateBound(&stream, driver->message.length);
	stream.next_in = (Bytef *)driver->message.data;
	stream.avail_in = (uInt)driver->message.length;
	stream.next_out = (Bytef *)buffer_reserve(ret, bound);
	stream.avail_out = (uInt)bound;
	int result = deflate(&stream, Z_FINISH);
	buffer_commit(ret, bound - stream.avail_out);
	deflateEnd(&stream);
	return result == Z_STREAM_END ? ret : &driver->message;
}

static void add_chunks(LogDriver *driver, Batch *batch, const Buffer *message)
{
	enum { ROOM = CHUNK_SIZE - CHUNK_HEAD };
	size_t count = (message->length + ROOM - 1) / ROOM;
	uint64_t id = driver->next_id++;

	if (count > CHUNKS_MAX)
		return; /* the format has no way to send it; no line is that long */
	for (size_t i = 0; i < count; i++) {
		size_t left = message->length - i * ROOM;
		const char mark[] = {0x1e, 0x0f}, place[] = {(char)i, (char)count};
		buffer_add(&batch->bytes, mark, sizeof(mark));
		buffer_add(&batch->bytes, &id, sizeof(id));
		buffer_add(&batch->bytes, place, sizeof(place));
		buffer_add(&batch->bytes, message->data + i * ROOM, left < ROOM ? left : ROOM);
		batch_end_message(batch);
	}
}

/* An empty short_message is not allowed: as with Docker, an empty line is not sent. */
static void add(LogDriver *driver, Batch *batch, const LogMessage *message, bool takes_datagrams)
{
	autoclear(Buffer) small = {0};

	if (!message->line->entry.length)
		return;
	write_message(driver, &message->line->entry);
	if (!takes_datagrams) {
		buffer_add(&batch->bytes, driver->message.data, driver->message.length);
		buffer_add_char(&batch->bytes, '\0');
		batch_end_message(batch);
		return;
	}
	const Buffer *out = squeeze(driver, &small);
	if (out->length > CHUNK_SIZE) {
		add_chunks(driver, batch, out);
		return;
	}
	buffer_add(&batch->bytes, out->data, out->length);
	batch_end_message(batch);
}

const LogDriverKind gelf_driver = {.name = "gelf", .open = open_driver, .close = close_driver, .add = add};

// SPDX-License-Identifier: Apache-2.0
/*
 * Fluentd's forward protocol: a batch is [tag, [[time, record], ...], {"chunk": id}], which the receiver acknowledges
 * with {"ack": id}. Records as Docker's. Source: github.com/fluent/fluentd/wiki/Forward-Protocol-Specification-v1
 * (forward mode), moby daemon/logger/fluentd/fluentd.go.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/memory.h"
#include "telemetry/driver.h"
#include "telemetry/msgpack.h"

#define DEFAULT_ADDRESS "tcp://127.0.0.1:24224"

enum { CHUNK_ID = 32, ANSWER_MAX = 1024 };

struct LogDriver {
	char *tag;
	Buffer same; /* members of the record that every one has */
	uint32_t same_count;
	bool has_nanos, wants_ack;
	int64_t retry_delay_ns, retries_max;
	Buffer entries; /* of the batch */
	uint32_t entry_count;
	char chunk[CHUNK_ID + 1];
	Buffer answer;
};

/* ---- life ---- */

static void add_same(LogDriver *driver, const char *name, const char *value)
{
	msgpack_text(&driver->same, name, strlen(name));
	msgpack_text(&driver->same, value ? value : "", value ? strlen(value) : 0);
	driver->same_count++;
}

static int64_t number_of(const LogTarget *target, const char *option, int64_t otherwise)
{
	const char *value = log_target_option(target, option);

	return value ? strtoll(value, NULL, 10) : otherwise;
}

static int64_t delay_of(const LogTarget *target)
{
	const char *value = log_target_option(target, "fluentd-retry-wait");
	int64_t delay_ns = 0;

	error_free(value ? clock_parse_duration(&delay_ns, value) : NULL); /* it was checked: it can be read */
	return delay_ns;
}

static fallible open_driver(LogDriver **ret, LogAddress *ret_address, const LogTarget *target)
{
	const char *address = log_target_option(target, "fluentd-address");
	const char *ack = log_target_option(target, "fluentd-request-ack");
	autofree char *name = string_printf("/%s", target->name);

	TRY(log_address_parse(ret_address, string_empty(address) ? DEFAULT_ADDRESS : address, &log_address_fluentd));
	LogDriver *driver = mem_new(LogDriver);
	driver->tag = mem_strdup(target->tag);
	driver->has_nanos = log_target_flag(target, "fluentd-sub-second-precision");
	driver->wants_ack = !ack || log_target_flag(target, "fluentd-request-ack");
	driver->retry_delay_ns = delay_of(target);
	driver->retries_max = number_of(target, "fluentd-max-retries", -1);
	buffer_init(&driver->answer, ANSWER_MAX);
	add_same(driver, "container_id", target->id);
	add_same(driver, "container_name", name);
	for (size_t i = 0; i < target->attributes.count; i++)
		add_same(driver, target->attributes.items[i].key, target->attributes.items[i].value);
	*ret = driver;
	return NULL;
}

static void close_driver(LogDriver *driver)
{
	free(driver->tag);
	buffer_clear(&driver->same);
	buffer_clear(&driver->entries);
	buffer_clear(&driver->answer);
	free(driver);
}

/* ---- a batch ---- */

static void add_pair(Buffer *out, const char *name, const char *value, size_t length)
{
	msgpack_text(out, name, strlen(name));
	msgpack_text(out, value, length);
}

static void add_piece(Buffer *out, const Piece *piece)
{
	char ordinal[12];

	snprintf(ordinal, sizeof(ordinal), "%u", piece->ordinal);
	add_pair(out, "partial_message", "true", 4);
	add_pair(out, "partial_id", piece->id, strlen(piece->id));
	add_pair(out, "partial_ordinal", ordinal, strlen(ordinal));
	add_pair(out, "partial_last", piece->is_last ? "true" : "false", piece->is_last ? 4 : 5);
}

static void add_time(const LogDriver *driver, Buffer *out, int64_t wall_ns)
{
	if (driver->has_nanos)
		msgpack_event_time(out, (uint32_t)(wall_ns / NANOS_PER_SECOND), (uint32_t)(wall_ns % NANOS_PER_SECOND));
	else
		msgpack_number(out, (uint64_t)(wall_ns / NANOS_PER_SECOND));
}

static void add(LogDriver *driver, Batch *batch, const LogMessage *message, bool takes_datagrams)
{
	const LogEntry *entry = &message->line->entry;
	Buffer *out = &driver->entries;
	size_t before = out->length;

	(void)takes_datagrams;
	msgpack_array(out, 2);
	add_time(driver, out, entry->wall_ns);
	msgpack_map(out, driver->same_count + 2 + (message->piece.is_piece ? 4 : 0));
	buffer_add(out, driver->same.data, driver->same.length);
	add_pair(out, "source", entry->stream == LOG_STDERR ? "stderr" : "stdout", 6);
	add_pair(out, "log", entry->data, entry->length);
	if (message->piece.is_piece)
		add_piece(out, &message->piece);
	driver->entry_count++;
	/* What the batch will be is known at its end; that it has room is asked before. */
	char *room = buffer_reserve(&batch->bytes, out->length - before);
	memset(room, 0, out->length - before);
	buffer_commit(&batch->bytes, out->length - before);
}

static void finish(LogDriver *driver, Batch *batch)
{
	buffer_truncate(&batch->bytes, 0);
	string_random_hex(driver->chunk, CHUNK_ID);
	msgpack_array(&batch->bytes, driver->wants_ack ? 3 : 2);
	msgpack_text(&batch->bytes, driver->tag, strlen(driver->tag));
	msgpack_array(&batch->bytes, driver->entry_count);
	buffer_add(&batch->bytes, driver->entries.data, driver->entries.length);
	if (driver->wants_ack) {
		msgpack_map(&batch->bytes, 1);
		add_pair(&batch->bytes, "chunk", driver->chunk, CHUNK_ID);
	}
	batch_end_message(batch);
	buffer_truncate(&driver->entries, 0);
	driver->entry_count = 0;
	buffer_truncate(&driver->answer, 0);
}

/* ---- the answer ---- */

static int heard(LogDriver *driver, const void *data, size_t length)
{
	MsgpackText ack;

	if (!driver->wants_ack)
		return length ? 0 : 1;
	if (!buffer_add(&driver->answer, data, length))
		return -1;
	int size = msgpack_read_map(&ack, "ack", buffer_text(&driver->answer), driver->answer.length);
	if (size <= 0)
		return size;
	bool is_ours = ack.data && ack.length == CHUNK_ID && memcmp(ack.data, driver->chunk, CHUNK_ID) == 0;
	buffer_consume(&driver->answer, (size_t)size);
	return is_ours ? 1 : -1;
}

static int64_t retry_delay_ns(const LogDriver *driver)
{
	return driver->retry_delay_ns;
}

static int64_t retries_max(const LogDriver *driver)
{
	return driver->retries_max;
}

const LogDriverKind fluentd_driver = {.name = "fluentd",
	.open = open_driver,
	.close = close_driver,
	.add = add,
	.finish = finish,
	.heard = heard,
	.retry_delay_ns = retry_delay_ns,
	.retries_max = retries_max};

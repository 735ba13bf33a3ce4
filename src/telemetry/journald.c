// SPDX-License-Identifier: Apache-2.0
/*
 * systemd's journal, by its native protocol: NAME=value lines, and values with newlines by their length. Fields as
 * Docker's. Source: systemd.io/JOURNAL_NATIVE_PROTOCOL, moby daemon/logger/journald/journald.go.
 */
#include <ctype.h>
#include <endian.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#include "base/memory.h"
#include "telemetry/driver.h"

enum { PRIORITY_ERROR = 3, PRIORITY_INFO = 6, SHORT_ID = 12, NAME_MAX_LENGTH = 64 };

struct LogDriver {
	Buffer fields; /* what every message has */
};

static void add_field(Buffer *out, const char *name, const char *value, size_t length)
{
	uint64_t size = htole64(length);

	buffer_add_text(out, name);
	if (memchr(value, '\n', length)) {
		buffer_add_char(out, '\n');
		buffer_add(out, &size, sizeof(size));
	} else {
		buffer_add_char(out, '=');
	}
	buffer_add(out, value, length);
	buffer_add_char(out, '\n');
}

static void add_text(Buffer *out, const char *name, const char *value)
{
	if (value)
		add_field(out, name, value, strlen(value));
}

/* Upper case, letters, digits and "_", none of the journal's own. */
static void add_attribute(Buffer *out, const StringPair *pair)
{
	char name[NAME_MAX_LENGTH + 1];
	const char *at = pair->key + strspn(pair->key, "_");
	size_t length = 0;

	for (; *at && length < NAME_MAX_LENGTH; at++)
		name[length++] = isalnum((unsigned char)*at) ? (char)toupper((unsigned char)*at) : '_';
	name[length] = '\0';
	if (length && !isdigit((unsigned char)name[0]))
		add_text(out, name, pair->value);
}

static fallible open_driver(LogDriver **ret, LogAddress *ret_address, const LogTarget *target)
{
	const char *path = log_target_option(target, LOG_JOURNAL_SOCKET);
	struct sockaddr_un address;

	if (string_empty(path) || strlen(path) >= sizeof(address.sun_path))
		return error_new(ERROR_INVALID, "the path of the journal's socket is missing or too long");
	LogDriver *driver = mem_new(LogDriver);
	autofree char *short_id = mem_strndup(target->id, SHORT_ID);

	add_text(&driver->fields, "CONTAINER_ID", short_id);
	add_text(&driver->fields, "CONTAINER_ID_FULL", target->id);
	add_text(&driver->fields, "CONTAINER_NAME", target->name);
	add_text(&driver->fields, "CONTAINER_TAG", target->tag);
	add_text(&driver->fields, "IMAGE_NAME", target->image_name);
	add_text(&driver->fields, "SYSLOG_IDENTIFIER", target->tag);
	for (size_t i = 0; i < target->attributes.count; i++)
		add_attribute(&driver->fields, &target->attributes.items[i]);
	*ret_address = (LogAddress){.transport = LOG_UNIXGRAM, .path = mem_strdup(path)};
	*ret = driver;
	return NULL;
}

static void close_driver(LogDriver *driver)
{
	buffer_clear(&driver->fields);
	free(driver);
}

static void add_piece(Buffer *out, const Piece *piece)
{
	char ordinal[12];

	if (!piece->is_piece)
		return;
	snprintf(ordinal, sizeof(ordinal), "%u", piece->ordinal);
	if (!piece->is_last)
		add_text(out, "CONTAINER_PARTIAL_MESSAGE", "true");
	add_text(out, "CONTAINER_PARTIAL_ID", piece->id);
	add_text(out, "CONTAINER_PARTIAL_ORDINAL", ordinal);
	add_text(out, "CONTAINER_PARTIAL_LAST", piece->is_last ? "true" : "false");
}

static void add(LogDriver *driver, Batch *batch, const LogMessage *message, bool takes_datagrams)
{
	const LogEntry *entry = &message->line->entry;
	char priority[4];

	(void)takes_datagrams;
	snprintf(priority, sizeof(priority), "%d", entry->stream == LOG_STDERR ? PRIORITY_ERROR : PRIORITY_INFO);
	add_text(&batch->bytes, "PRIORITY", priority);
	buffer_add(&batch->bytes, driver->fields.data, driver->fields.length);
	add_text(&batch->bytes, "SYSLOG_TIMESTAMP", message->line->time);
	add_piece(&batch->bytes, &message->piece);
	add_field(&batch->bytes, "MESSAGE", entry->data, entry->length);
	batch_end_message(batch);
}

const LogDriverKind journald_driver = {.name = "journald", .open = open_driver, .close = close_driver, .add = add};

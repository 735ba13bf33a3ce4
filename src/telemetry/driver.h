// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * What a log driver makes of lines: messages of its protocol. One file a driver; it sends nothing itself. A batch is as
 * many messages as are sent in one go, each of them a datagram where the receiver takes datagrams.
 */
#include <stdbool.h>
#include <stddef.h>

#include "base/buffer.h"
#include "telemetry/address.h"
#include "telemetry/tail.h"
#include "telemetry/target.h"

enum { BATCH_SIZE = 64 * 1024, BATCH_MESSAGES = 512 };

typedef struct Batch {
	Buffer bytes;
	size_t ends[BATCH_MESSAGES]; /* of messages, in bytes */
	size_t count;
	size_t lines;
} Batch;

void batch_end_message(Batch *batch);
void batch_clear(Batch *batch);
DEFINE_AUTOCLEAR(Batch, batch_clear)
bool batch_has_room(const Batch *batch); /* for another line */

/* Pieces of one long line belong together. */
typedef struct Piece {
	bool is_piece;
	char id[33];
	unsigned ordinal; /* from 1 */
	bool is_last;
} Piece;

typedef struct LogMessage {
	const TailLine *line;
	Piece piece;
} LogMessage;

typedef struct LogDriver LogDriver;

typedef struct LogDriverKind {
	const char *name;
	fallible (*open)(LogDriver **ret, LogAddress *ret_address, const LogTarget *target);
	void (*close)(LogDriver *driver);
	/* take_datagrams: as the connection has it, which may not be what the address said. */
	void (*add)(LogDriver *driver, Batch *batch, const LogMessage *message, bool takes_datagrams);
	/* Behind the last one; NULL: there is nothing to be done. */
	void (*finish)(LogDriver *driver, Batch *batch);
	/* What the receiver says. 1: it has the batch, 0: not yet, -1: it makes no sense. NULL: it says nothing. */
	int (*heard)(LogDriver *driver, const void *data, size_t length);
	int64_t (*retry_delay_ns)(const LogDriver *driver); /* the shortest; NULL: the usual */
	int64_t (*retries_max)(const LogDriver *driver);    /* then what waits is dropped; -1 or NULL: for ever */
} LogDriverKind;

extern const LogDriverKind journald_driver, syslog_driver, gelf_driver, fluentd_driver;

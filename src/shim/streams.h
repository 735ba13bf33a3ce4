// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * One output stream of the container: from its pipe into the log, in lines, and to attached connections and clients,
 * raw. The last chunk is kept until everybody who wants it has it; until then nothing more is read, so that the
 * container waits as it would on a pipe of its own.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shim/clients.h"
#include "shim/connections.h"
#include "shim/logfile.h"

enum { STREAM_READ_MAX = 32 * 1024, STREAM_MEMORY = LOG_ENTRY_MAX + STREAM_READ_MAX };

struct Stream {
	int number;                 /* LOG_STDOUT, LOG_STDERR */
	int fd;                     /* -1: ended */
	char *data;                 /* lent: STREAM_MEMORY bytes */
	size_t logged, filled;      /* data[logged..filled) waits for the end of its line */
	size_t chunk, chunk_length; /* what was read last */
	uint32_t waiting;           /* connections that still want the chunk */
	uint32_t holders;           /* connections at whose wish nothing more is read */
	int clients_waiting;        /* so do that many clients */
	Clients *clients;           /* who may want it; lent */
	int64_t line_ns;            /* time of the first piece of a line that is logged in pieces; 0: none */
};

void stream_init(Stream *stream, int number, int fd, char *memory, Clients *clients);
bool stream_may_read(const Stream *stream);
/* Reads once; log NULL: nothing is kept. False when there was nothing to read. At the end the stream closes itself
 * (stream->fd is -1). */
bool stream_read(Stream *stream, LogFile *log, Connections *connections);
/* Gives up what others may still hold open. */
void stream_end(Stream *stream, LogFile *log);
SendResult stream_send(Stream *stream, Connection *connection, int place);
/* How much of its memory, from the beginning, it cannot do without now. */
size_t stream_tidy(Stream *stream);

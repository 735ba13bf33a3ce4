// SPDX-License-Identifier: Apache-2.0
#include "shim/streams.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"

void stream_init(Stream *stream, int number, int fd, char *memory, Clients *clients)
{
	*stream = (Stream){.number = number, .fd = fd, .data = memory, .clients = clients};
}

/* Somebody has not got the chunk yet, or wants no other one yet. */
static bool is_waited_for(const Stream *stream)
{
	return stream->waiting || stream->holders || stream->clients_waiting;
}

bool stream_may_read(const Stream *stream)
{
	return stream->fd >= 0 && !is_waited_for(stream);
}

/* ---- lines ---- */

/* Pieces of one line carry the time of its beginning, as Docker's. */
static void log_piece(Stream *stream, LogFile *log, size_t length, bool is_whole, int64_t now_ns)
{
	LogEntry entry = {stream->number, stream->line_ns ? stream->line_ns : now_ns, stream->data + stream->logged,
		length, is_whole};

	logfile_add(log, &entry);
	stream->line_ns = is_whole ? 0 : entry.wall_ns;
	stream->logged += length + is_whole;
}

/* The clock is read once a chunk; lines of a chunk differ by a nanosecond, so that a reader can go on behind the last
 * one it saw. */
static void log_lines(Stream *stream, LogFile *log)
{
	int64_t now_ns = clock_wall_ns();

	while (stream->logged < stream->filled) {
		const char *start = stream->data + stream->logged;
		size_t held = stream->filled - stream->logged, room = held < LOG_ENTRY_MAX ? held : LOG_ENTRY_MAX;
		const char *newline = memchr(start, '\n', room);
		if (newline)
			log_piece(stream, log, (size_t)(newline - start), true, now_ns++);
		else if (held >= LOG_ENTRY_MAX)
			log_piece(stream, log, logline_cut(start, LOG_ENTRY_MAX), false, now_ns++);
		else
			break;
	}
	logfile_flush(log);
}

static void log_rest(Stream *stream, LogFile *log)
{
	if (log && stream->logged < stream->filled)
		log_piece(stream, log, stream->filled - stream->logged, false, clock_wall_ns());
	if (log)
		logfile_flush(log);
	stream->logged = stream->filled;
}

/* ---- reading ---- */

static void make_room(Stream *stream)
{
	size_t held = stream->filled - stream->logged;

	memmove(stream->data, stream->data + stream->logged, held);
	stream->logged = 0;
	stream->filled = held;
}

size_t stream_tidy(Stream *stream)
{
	if (!is_waited_for(stream))
		make_room(stream);
	return stream->filled;
}

static void offer(Stream *stream, Connections *connections)
{
	for (int place = 0; place < CONNECTIONS_MAX; place++)
		if (connections->table[place].wants[stream->number])
			stream->waiting |= UINT32_C(1) << place;
	stream->clients_waiting = clients_offer(stream->clients, stream);
}

static void take_chunk(Stream *stream, LogFile *log, Connections *connections, size_t length)
{
	stream->chunk = stream->filled;
	stream->chunk_length = length;
	stream->filled += length;
	offer(stream, connections);
	if (log)
		log_lines(stream, log);
	else
		stream->logged = stream->filled;
}

bool stream_read(Stream *stream, LogFile *log, Connections *connections)
{
	make_room(stream);
	ssize_t count = read(stream->fd, stream->data + stream->filled, STREAM_READ_MAX);
	if (count < 0 && (errno == EAGAIN || errno == EINTR))
		return false;
	if (count <= 0) {
		stream_end(stream, log);
		return false;
	}
	take_chunk(stream, log, connections, (size_t)count);
	return true;
}

void stream_end(Stream *stream, LogFile *log)
{
	log_rest(stream, log);
	close_fd(&stream->fd);
}

SendResult stream_send(Stream *stream, Connection *connection, int place)
{
	uint32_t bit = UINT32_C(1) << place;
	char number = (char)stream->number;
	Packet packet = {SHIM_OUTPUT, &number, 1, stream->data + stream->chunk, stream->chunk_length};

	if (!(stream->waiting & bit))
		return SENT;
	SendResult result = connection_send(connection, &packet);
	if (result == SENT)
		stream->waiting &= ~bit;
	return result;
}

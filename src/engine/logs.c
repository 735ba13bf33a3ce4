// SPDX-License-Identifier: Apache-2.0
#include "engine/logs.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/clock.h"
#include "base/files.h"
#include "base/memory.h"
#include "engine/logwatch.h"
#include "shim/logfiles.h"
#include "shim/logline.h"
#include "shim/logtext.h"

/*
 * SEEKING (a tail is counted from the end, block by block) --> READING <--> WAITING (a follower at the end)
 *                                                                 `--> ENDED
 */
typedef enum ReaderState { SEEKING, READING, WAITING, ENDED } ReaderState;

struct LogReader {
	Loop *loop;
	LogQuery query;
	LogReaderHandlers handlers;
	void *arg;
	int dir;
	LogText *log;
	ReaderState state;
	LogPosition at;   /* READING: of the next byte to read; SEEKING: of the first byte that is counted already */
	LogPosition next; /* the file behind it, once that is there: then `at` is written no more */
	ino_t end_inode;  /* without follow: what comes behind this position is not shown */
	int64_t end_offset;
	int64_t remaining; /* SEEKING: newlines still to be found */
	Buffer text;       /* read, from `parsed` on not yet delivered */
	size_t parsed;
	bool skips_line; /* a line without end: dropped up to the next newline */
	bool is_paused;
	bool in_handler, is_closed;
	LogWatch *watch, *gather_watch;
	Source *slice; /* the deferred call that goes on */
	Source *until;
};

static void go_on(LogReader *reader);

/* ---- delivering ---- */

static bool is_wanted(const LogReader *reader, const LogEntry *entry)
{
	const LogQuery *query = &reader->query;

	if (entry->stream == LOG_STDOUT ? !query->want_stdout : !query->want_stderr)
		return false;
	return entry->wall_ns >= query->since_ns && (!query->until_ns || entry->wall_ns <= query->until_ns);
}

static void deliver(LogReader *reader, char *line, size_t length)
{
	LogEntry entry;
	char time[LOG_TIME_MAX];

	if (!logline_read(&entry, time, line, length))
		return;
	if (is_wanted(reader, &entry))
		reader->handlers.entry(reader->arg, entry.stream, time, entry.wall_ns, entry.data, entry.length);
	else if (reader->query.follow && reader->query.until_ns && entry.wall_ns > reader->query.until_ns)
		log_reader_finish(reader);
}

static bool may_go_on(const LogReader *reader)
{
	return !reader->is_paused && !reader->is_closed;
}

static void deliver_lines(LogReader *reader)
{
	while (may_go_on(reader) && reader->parsed < reader->text.length) {
		char *line = reader->text.data + reader->parsed;
		char *newline = memchr(line, '\n', reader->text.length - reader->parsed);
		if (!newline)
			break;
		size_t length = (size_t)(newline - line);
		reader->parsed += length + 1;
		if (reader->skips_line)
			reader->skips_line = false;
		else
			deliver(reader, line, length);
	}
	if (reader->is_closed)
		return;
	buffer_consume(&reader->text, reader->parsed);
	reader->parsed = 0;
}

/* A line that no shim writes would grow for ever. */
static void bound_line(LogReader *reader)
{
	if (reader->text.length <= LOG_LINE_MAX || memchr(reader->text.data, '\n', reader->text.length))
		return;
	reader->skips_line = true;
	buffer_truncate(&reader->text, 0);
}

static void end(LogReader *reader)
{
	reader->state = ENDED;
	reader->watch = logwatch_free(reader->watch);
	reader->gather_watch = logwatch_free(reader->gather_watch);
	reader->until = source_free(reader->until);
	buffer_clear(&reader->text);
	logposition_clear(&reader->at);
	logposition_clear(&reader->next);
	if (reader->handlers.end)
		reader->handlers.end(reader->arg);
}

/* ---- seeking a tail ---- */

static void begin_reading(LogReader *reader, int64_t offset)
{
	reader->at.offset = offset;
	reader->state = READING;
}

/* The last newline is the end of the last line, so one more is looked for than lines are wanted. */
static bool find_start(LogReader *reader, const char *block, size_t length, int64_t block_offset)
{
	while (length && reader->remaining >= 0) {
		const char *newline = memrchr(block, '\n', length);
		if (!newline)
			return false;
		if (reader->remaining-- == 0) {
			begin_reading(reader, block_offset + (newline - block) + 1);
			return true;
		}
		length = (size_t)(newline - block);
	}
	return false;
}

static fallible seek_in_older_file(LogReader *reader)
{
	LogPosition older;

	TRY(logfiles_before(&older, reader->dir, &reader->at));
	if (older.fd < 0) {
		begin_reading(reader, 0);
		return NULL;
	}
	logtext_forget(reader->log);
	logposition_clear(&reader->at);
	reader->at = older;
	reader->at.offset = logtext_size(reader->log, &older);
	return NULL;
}

static fallible seek(LogReader *reader)
{
	size_t length;

	if (!reader->at.offset)
		return seek_in_older_file(reader);
	autofree char *block = mem_alloc(LOG_TEXT_SLICE);
	if (!logtext_read_back(reader->log, &reader->at, block, &length)) {
		begin_reading(reader, 0); /* cut short under us: what is left is shown */
		return NULL;
	}
	(void)find_start(reader, block, length, reader->at.offset);
	return NULL;
}

/* ---- reading ---- */

static bool is_at_end(const LogReader *reader)
{
	return !reader->query.follow && reader->at.inode == reader->end_inode &&
	       reader->at.offset >= reader->end_offset;
}

/* Offset up to which this file is read; -1: to its end. */
static int64_t wanted_end(const LogReader *reader)
{
	return reader->query.follow || reader->at.inode != reader->end_inode ? -1 : reader->end_offset;
}

/* Half a line at the end of a file is what a crash left: the next file does not go on with it. */
static void change_file(LogReader *reader)
{
	logtext_forget(reader->log);
	logposition_clear(&reader->at);
	reader->at = reader->next;
	reader->next = LOG_NOWHERE;
	buffer_truncate(&reader->text, 0);
	reader->skips_line = false;
}

/* Half a line is read anew with what follows: on a full disk the shim takes it back, and writes another one there. What
 * is longer than a slice is of no use for that. False: there is nothing new. */
static bool read_text(LogReader *reader)
{
	size_t held = reader->text.length;
	bool is_again = held && held < LOG_TEXT_SLICE;

	if (is_again) {
		reader->at.offset -= (int64_t)held;
		buffer_truncate(&reader->text, 0);
	}
	char *room = buffer_reserve(&reader->text, LOG_TEXT_SLICE);
	size_t length = logtext_read(reader->log, &reader->at, room, wanted_end(reader));
	buffer_commit(&reader->text, length);
	return length && (!is_again || length > held || memchr(reader->text.data, '\n', reader->text.length));
}

static void take_text(LogReader *reader)
{
	deliver_lines(reader);
	if (!reader->is_closed)
		bound_line(reader);
}

static void tell_torn_end(LogReader *reader)
{
	size_t length = logtext_torn_end(reader->log, &reader->at, buffer_reserve(&reader->text, LOG_TEXT_SLICE));

	buffer_commit(&reader->text, length);
	if (length)
		take_text(reader);
}

static void wait_for_more(LogReader *reader)
{
	if (!reader->query.follow) {
		end(reader);
		return;
	}
	reader->state = WAITING;
	if (!reader->text.length)
		buffer_clear(&reader->text);
	if (reader->handlers.caught_up)
		reader->handlers.caught_up(reader->arg);
}

/* At the end of a file: it may be read to its very end only after it is known that a newer one was begun. */
static fallible look_for_next(LogReader *reader)
{
	if (reader->next.fd >= 0) {
		tell_torn_end(reader);
		if (!reader->is_closed)
			change_file(reader);
		return NULL;
	}
	TRY(logfiles_after(&reader->next, reader->dir, &reader->at));
	if (reader->next.fd < 0)
		wait_for_more(reader);
	return NULL;
}

static fallible look_for_first(LogReader *reader)
{
	TRY(logfiles_oldest(&reader->at, reader->dir));
	if (reader->at.fd < 0)
		wait_for_more(reader);
	return NULL;
}

static fallible read_on(LogReader *reader)
{
	if (reader->at.fd < 0)
		return look_for_first(reader);
	if (read_text(reader)) {
		take_text(reader);
		return NULL;
	}
	if (is_at_end(reader)) {
		end(reader);
		return NULL;
	}
	return look_for_next(reader);
}

/* ---- the loop's side ---- */

/* Lines that are there already come first: a pause may have left some. */
static fallible run_slice(LogReader *reader)
{
	if (reader->state == SEEKING)
		return seek(reader);
	if (reader->text.length && !reader->is_paused) {
		size_t before = reader->text.length;
		deliver_lines(reader);
		if (!may_go_on(reader) || reader->text.length != before)
			return NULL;
	}
	reader->state = READING;
	return read_on(reader);
}

static void on_slice(void *arg)
{
	LogReader *reader = arg;

	reader->slice = source_free(reader->slice);
	reader->in_handler = true;
	Error *error = run_slice(reader);
	if (error) {
		error_log(error, "could not read a log to its end");
		if (!reader->is_closed)
			end(reader);
	}
	reader->in_handler = false;
	if (reader->is_closed)
		log_reader_close(reader);
	else if (reader->state == SEEKING || reader->state == READING)
		go_on(reader);
}

static void go_on(LogReader *reader)
{
	if (reader->slice || reader->is_paused || reader->state == ENDED || reader->is_closed)
		return;
	Error *error = loop_defer(&reader->slice, reader->loop, on_slice, reader);
	if (error)
		error_log(error, "could not go on reading a log");
}

static void on_written(void *arg)
{
	LogReader *reader = arg;

	if (reader->state == WAITING)
		go_on(reader);
}

static void on_until(void *arg)
{
	log_reader_finish(arg);
}

void log_reader_pause(LogReader *reader, bool paused)
{
	reader->is_paused = paused;
	if (paused)
		reader->slice = source_free(reader->slice);
	else if (!reader->in_handler)
		go_on(reader);
}

static void end_here(LogReader *reader, const LogPosition *newest)
{
	reader->query.follow = false;
	reader->end_inode = newest->inode;
	if (reader->at.inode != newest->inode)
		logtext_forget(reader->log);
	reader->end_offset = newest->fd < 0 ? 0 : logtext_size(reader->log, newest);
	if (reader->at.inode != newest->inode)
		logtext_forget(reader->log);
}

void log_reader_finish(LogReader *reader)
{
	autoclear(LogPosition) newest = LOG_NOWHERE;

	if (!reader->query.follow || reader->state == ENDED)
		return;
	error_free(logfiles_newest(&newest, reader->dir)); /* without it the reader ends where no newer file follows */
	end_here(reader, &newest);
	if (!reader->in_handler)
		go_on(reader);
	else if (reader->state == WAITING)
		reader->state = READING; /* it goes on when the handler is done */
}

/* ---- life ---- */

bool log_reader_place(LogPlace *ret, const LogReader *reader)
{
	if (reader->state == SEEKING)
		return false;
	*ret = (LogPlace){.file = reader->at.fd < 0 ? 0 : reader->at.inode,
		.offset = reader->at.offset - (int64_t)(reader->text.length - reader->parsed),
		.skips_line = reader->skips_line};
	return true;
}

/* A file that was removed meanwhile has taken what was not read of it along. */
static fallible start_at(LogReader *reader, const LogPlace *place)
{
	reader->state = READING;
	TRY(logfiles_find(&reader->at, reader->dir, (ino_t)place->file));
	if (reader->at.fd < 0)
		return logfiles_oldest(&reader->at, reader->dir);
	reader->at.offset = place->offset;
	reader->skips_line = place->skips_line;
	return NULL;
}

static fallible start_position(LogReader *reader)
{
	LogPosition newest;

	TRY(logfiles_newest(&newest, reader->dir));
	if (!reader->query.follow)
		end_here(reader, &newest);
	if (reader->query.from) {
		logposition_clear(&newest);
		return start_at(reader, reader->query.from);
	}
	if (reader->query.tail < 0 || newest.fd < 0) {
		logposition_clear(&newest);
		reader->state = READING;
		return logfiles_oldest(&reader->at, reader->dir);
	}
	reader->at = newest;
	reader->at.offset = logtext_size(reader->log, &newest);
	reader->remaining = reader->query.tail;
	reader->state = SEEKING;
	return NULL;
}

static fallible start_following(LogReader *reader, const LogPlaces *places)
{
	int64_t until_ns = reader->query.until_ns, now_ns = clock_wall_ns();

	TRY(logwatch_new(&reader->watch, reader->loop, places->state_dir, on_written, reader));
	if (places->gather_dir)
		TRY(logwatch_new(&reader->gather_watch, reader->loop, places->gather_dir, on_written, reader));
	if (!until_ns)
		return NULL;
	return loop_timer(&reader->until, reader->loop, until_ns > now_ns ? until_ns - now_ns : 0, on_until, reader);
}

static fallible start(LogReader *reader, const LogPlaces *places)
{
	TRY(dir_open(&reader->dir, AT_FDCWD, places->state_dir));
	if (reader->query.follow)
		TRY(start_following(reader, places));
	return start_position(reader);
}

Error *log_reader_open(LogReader **ret, Loop *loop, const LogPlaces *places, const LogQuery *query,
	const LogReaderHandlers *handlers, void *arg)
{
	LogReader *reader = mem_new(LogReader);

	reader->loop = loop;
	reader->query = *query;
	reader->handlers = *handlers;
	reader->arg = arg;
	reader->dir = -1;
	reader->at = reader->next = LOG_NOWHERE;
	reader->log = logtext_new(places->state_dir, places->gather_dir);
	Error *error = start(reader, places);
	if (error) {
		log_reader_close(reader);
		return error;
	}
	reader->query.from = NULL; /* the caller's */
	go_on(reader);
	*ret = reader;
	return NULL;
}

LogReader *log_reader_close(LogReader *reader)
{
	if (!reader)
		return NULL;
	reader->is_closed = true;
	if (reader->in_handler)
		return NULL;
	reader->slice = source_free(reader->slice);
	reader->until = source_free(reader->until);
	logwatch_free(reader->watch);
	logwatch_free(reader->gather_watch);
	logtext_free(reader->log);
	logposition_clear(&reader->at);
	logposition_clear(&reader->next);
	close_fd(&reader->dir);
	buffer_clear(&reader->text);
	free(reader);
	return NULL;
}

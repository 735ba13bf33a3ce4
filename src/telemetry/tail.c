// SPDX-License-Identifier: Apache-2.0
#include "telemetry/tail.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/memory.h"
#include "telemetry/protocol.h"

enum { SLICE = 64 * 1024 };

struct Tail {
	int dir;        /* -1: `last` is all that there is */
	LogPosition at; /* of what is read next */
	LogPosition next;
	int64_t birth; /* of the file */
	Buffer text;   /* read; from `parsed` on not given yet */
	size_t parsed;
	int64_t line; /* number of the next one */
	int64_t lost;
	bool skips_line; /* longer than any shim writes */
	int last[LAST_FILES_MAX];
	size_t last_count;
};

Tail *tail_new(int take_dir)
{
	Tail *tail = mem_new(Tail);

	tail->dir = take_dir;
	tail->at = tail->next = LOG_NOWHERE;
	return tail;
}

static void close_last(Tail *tail)
{
	for (size_t i = 0; i < tail->last_count; i++)
		close_fd(&tail->last[i]);
	tail->last_count = 0;
}

Tail *tail_free(Tail *tail)
{
	if (!tail)
		return NULL;
	close_fd(&tail->dir);
	logposition_clear(&tail->at);
	logposition_clear(&tail->next);
	buffer_clear(&tail->text);
	close_last(tail);
	free(tail);
	return NULL;
}

/* ---- files ---- */

static void forget_text(Tail *tail)
{
	buffer_truncate(&tail->text, 0);
	tail->parsed = 0;
	tail->skips_line = false;
}

static void enter(Tail *tail, LogPosition *take_position)
{
	logposition_clear(&tail->at);
	tail->at = *take_position;
	*take_position = LOG_NOWHERE;
	tail->birth = tail->at.fd < 0 ? 0 : logplace_birth(tail->at.fd, "");
	forget_text(tail);
}

/* The descriptors that were handed over, as a chain. */
static LogPosition last_at(const Tail *tail, size_t index)
{
	struct stat status;
	LogPosition position = LOG_NOWHERE;

	if (index < tail->last_count && fstat(tail->last[index], &status) == 0)
		position = (LogPosition){fcntl(tail->last[index], F_DUPFD_CLOEXEC, 0), status.st_ino, 0};
	return position;
}

static size_t last_find(const Tail *tail, ino_t inode)
{
	struct stat status;

	for (size_t i = 0; i < tail->last_count; i++)
		if (fstat(tail->last[i], &status) == 0 && status.st_ino == inode)
			return i;
	return tail->last_count;
}

static LogPosition last_after(const Tail *tail, ino_t inode)
{
	size_t index = last_find(tail, inode);

	return last_at(tail, index < tail->last_count ? index + 1 : 0);
}

static LogPosition found(Error *take_error, LogPosition position)
{
	if (take_error)
		error_log(take_error, "could not read a container's log");
	return position;
}

static LogPosition find(Tail *tail, const LogSpot *spot)
{
	LogPosition position = LOG_NOWHERE;
	Error *error = NULL;

	if (tail->dir < 0)
		position = last_at(tail, last_find(tail, (ino_t)spot->file));
	else
		error = logfiles_find(&position, tail->dir, (ino_t)spot->file);
	position = found(error, position);
	if (position.fd >= 0 && spot->birth && logplace_birth(position.fd, "") != spot->birth)
		logposition_clear(&position);
	position.offset = spot->offset;
	return position;
}

/* The number of the oldest file's first line changes with a rotation: it is looked at before and after. */
static LogPosition oldest(Tail *tail)
{
	for (int attempt = 0; attempt < 100; attempt++) {
		LogPosition position = LOG_NOWHERE;
		int64_t removed = tail->dir < 0 ? 0 : logplace_removed(tail->dir);
		if (tail->dir < 0)
			return last_at(tail, 0);
		position = found(logfiles_oldest(&position, tail->dir), position);
		if (logplace_removed(tail->dir) != removed) {
			logposition_clear(&position);
			continue;
		}
		if (removed > tail->line) {
			tail->lost += removed - tail->line;
			tail->line = removed;
		}
		return position;
	}
	return LOG_NOWHERE; /* it is being rotated all the time: the next look will do */
}

static LogPosition after(Tail *tail)
{
	LogPosition position = LOG_NOWHERE;

	if (tail->dir < 0)
		return last_after(tail, tail->at.inode);
	return found(logfiles_after(&position, tail->dir, &tail->at), position);
}

void tail_seek(Tail *tail, const LogSpot *spot)
{
	LogPosition position = LOG_NOWHERE;

	tail->line = spot->line;
	logposition_clear(&tail->next);
	if (spot->file)
		position = find(tail, spot);
	if (position.fd < 0)
		position = oldest(tail);
	enter(tail, &position);
}

void tail_set_last(Tail *tail, int *take_fds, size_t count)
{
	close_last(tail);
	for (size_t i = 0; i < count && i < LAST_FILES_MAX; i++)
		tail->last[tail->last_count++] = take_fd(&take_fds[i]);
	close_fd(&tail->dir);
	logposition_clear(&tail->next);
}

/* ---- lines ---- */

/* Half a line that is held is read anew with what follows: on a full disk the shim takes it back, and writes another
 * one there. What is longer than a slice is of no use for that. Gives how much was held; 0: it is gone on with. */
static size_t go_back(Tail *tail)
{
	size_t held = tail->text.length;

	if (held >= SLICE)
		return 0;
	tail->at.offset -= (int64_t)held;
	buffer_truncate(&tail->text, 0);
	return held;
}

static bool read_more(Tail *tail)
{
	if (tail->at.fd < 0)
		return false;
	buffer_consume(&tail->text, tail->parsed);
	tail->parsed = 0;
	if (tail->text.length > LOG_LINE_MAX) {
		tail->skips_line = true;
		buffer_truncate(&tail->text, 0);
	}
	size_t held = go_back(tail);
	ssize_t count = pread(tail->at.fd, buffer_reserve(&tail->text, SLICE), SLICE, tail->at.offset);
	if (count <= 0)
		return false;
	buffer_commit(&tail->text, (size_t)count);
	tail->at.offset += count;
	return (size_t)count > held || memchr(tail->text.data, '\n', tail->text.length);
}

/* A file is read to its end only after it is known that a newer one was begun; what is left then is half a line. */
static bool next_file(Tail *tail)
{
	LogPosition position;

	if (tail->at.fd < 0)
		position = oldest(tail);
	else if (tail->next.fd >= 0) {
		position = tail->next;
		tail->next = LOG_NOWHERE;
	} else {
		tail->next = after(tail);
		return tail->next.fd >= 0;
	}
	enter(tail, &position);
	return tail->at.fd >= 0;
}

static bool take_line(Tail *tail, char **ret, size_t *ret_length)
{
	char *start = tail->text.data + tail->parsed;
	size_t held = tail->text.length - tail->parsed;
	char *newline = held ? memchr(start, '\n', held) : NULL;

	if (!newline)
		return false;
	*ret = start;
	*ret_length = (size_t)(newline - start);
	tail->parsed += *ret_length + 1;
	tail->line++;
	return true;
}

/* Whole lines that cannot be read (a power cut) are passed over. */
static bool parse(Tail *tail, TailLine *ret, char *line, size_t length)
{
	if (tail->skips_line) {
		tail->skips_line = false;
		return false;
	}
	if (!logline_read(&ret->entry, ret->time, line, length))
		return false;
	if (ret->entry.is_whole)
		ret->entry.length--;
	return true;
}

/* Lines that went with files between two reads, when their file was not held. */
static void account(Tail *tail)
{
	int64_t removed = tail->dir < 0 ? 0 : logplace_removed(tail->dir);

	if (removed > tail->line) {
		tail->lost += removed - tail->line;
		tail->line = removed;
	}
}

bool tail_next(Tail *tail, TailLine *ret)
{
	char *line;
	size_t length;

	for (;;) {
		while (take_line(tail, &line, &length))
			if (parse(tail, ret, line, length))
				return true;
		if (read_more(tail))
			continue;
		if (!next_file(tail))
			return false;
		if (tail->at.offset == 0)
			account(tail);
	}
}

void tail_tidy(Tail *tail)
{
	if (tail->parsed < tail->text.length)
		return;
	buffer_clear(&tail->text);
	tail->parsed = 0;
}

LogSpot tail_spot(const Tail *tail)
{
	return (LogSpot){.file = tail->at.fd < 0 ? 0 : tail->at.inode,
		.birth = tail->birth,
		.offset = tail->at.offset - (int64_t)(tail->text.length - tail->parsed),
		.line = tail->line};
}

int64_t tail_take_lost(Tail *tail)
{
	int64_t lost = tail->lost;

	tail->lost = 0;
	return lost;
}

static int64_t chain_after(Tail *tail)
{
	LogPosition position = {fcntl(tail->at.fd, F_DUPFD_CLOEXEC, 0), tail->at.inode, 0};
	int64_t sum = 0;

	while (position.fd >= 0) {
		LogPosition newer = LOG_NOWHERE;
		if (tail->dir < 0)
			newer = last_after(tail, position.inode);
		else
			newer = found(logfiles_after(&newer, tail->dir, &position), newer);
		logposition_clear(&position);
		position = newer;
		sum += position.fd < 0 ? 0 : logposition_size(&position);
	}
	return sum;
}

int64_t tail_backlog(Tail *tail)
{
	if (tail->at.fd < 0 && !next_file(tail))
		return 0; /* nothing was logged yet */
	return logposition_size(&tail->at) - tail_spot(tail).offset + chain_after(tail);
}

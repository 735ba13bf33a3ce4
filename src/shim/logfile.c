// SPDX-License-Identifier: Apache-2.0
#include "shim/logfile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"

enum { NAME_SIZE = sizeof(LOG_FILE_NAME) + 8 };

/* ---- files ---- */

static void name_of(char name[NAME_SIZE], int64_t index)
{
	if (index)
		snprintf(name, NAME_SIZE, LOG_FILE_NAME ".%d", (int)index);
	else
		strcpy(name, LOG_FILE_NAME);
}

/* A crash of the machine can leave half a line; the next one must not be glued to it. */
static void end_torn_line(LogFile *log)
{
	char last = '\n';

	if (log->size && pread(log->fd, &last, 1, log->size - 1) == 1 && last != '\n' && write(log->fd, "\n", 1) == 1)
		log->size++;
}

void logfile_open(LogFile *log)
{
	struct stat status;

	log->fd = openat(log->directory, LOG_FILE_NAME, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0640);
	if (log->fd < 0)
		return;
	log->size = fstat(log->fd, &status) < 0 ? 0 : status.st_size;
	end_torn_line(log);
}

/* From the oldest on, so that no file has two names at any time; see engine/logs.c, which follows them. */
static void rotate(LogFile *log)
{
	char from[NAME_SIZE], to[NAME_SIZE];

	name_of(to, log->max_files - 1);
	if (log->max_files > 1)
		unlinkat(log->directory, to, 0);
	for (int64_t index = log->max_files - 1; index > 0; index--) {
		name_of(to, index);
		name_of(from, index - 1);
		renameat(log->directory, from, log->directory, to);
	}
	if (log->max_files <= 1)
		unlinkat(log->directory, LOG_FILE_NAME, 0);
	close_fd(&log->fd);
	log->size = 0; /* also when the new file cannot be made now: the old ones were moved on once */
	logfile_open(log);
}

/* ---- writing ---- */

static int64_t count_lines(const char *text, size_t length)
{
	int64_t count = 0;
	const char *end = text + length;

	while (text < end && (text = memchr(text, '\n', (size_t)(end - text)))) {
		count++;
		text++;
	}
	return count;
}

/* How much of a batch that was written in part can stay: whole lines. */
static size_t whole_lines(const char *text, size_t length)
{
	const char *last = length ? memrchr(text, '\n', length) : NULL;

	return last ? (size_t)(last + 1 - text) : 0;
}

/* Gives how many bytes, of whole lines, are in the file now. */
static size_t append(LogFile *log, const char *text, size_t length)
{
	if (log->fd < 0)
		logfile_open(log);
	ssize_t count = log->fd < 0 ? -1 : write(log->fd, text, length);
	int problem = count < 0 ? errno : ENOSPC;
	size_t kept = count < 0 ? 0 : (size_t)count;
	if (kept < length) {
		log->problem = log->dropped ? log->problem : problem;
		kept = whole_lines(text, kept);
		/* When even this fails a torn line stays, which readers skip. */
		if (count > 0 && ftruncate(log->fd, log->size + (off_t)kept) < 0)
			kept = (size_t)count;
	}
	log->size += (int64_t)kept;
	return kept;
}

static bool write_note(LogFile *log)
{
	char text[160], line[512];
	int length = snprintf(text, sizeof(text), "kedge: %lld lines of this container's output were not logged: %s",
		(long long)log->dropped, strerror(log->problem));
	LogEntry note = {LOG_STDERR, clock_wall_ns(), text, (size_t)length, true};
	size_t size = logline_write(line, &note);

	if (append(log, line, size) < size)
		return false;
	log->dropped = 0;
	return true;
}

void logfile_flush(LogFile *log)
{
	size_t written = 0;

	if (!log->used)
		return;
	if (!log->dropped || write_note(log))
		written = append(log, log->batch, log->used);
	log->dropped += count_lines(log->batch + written, log->used - written);
	log->used = 0;
}

void logfile_add(LogFile *log, const LogEntry *entry)
{
	bool is_full = log->max_size && log->size + (int64_t)log->used >= log->max_size;

	if (is_full || log->used + LOG_LINE_MAX > LOG_BATCH_SIZE)
		logfile_flush(log);
	if (is_full && log->size >= log->max_size)
		rotate(log);
	log->used += logline_write(log->batch + log->used, entry);
}

void logfile_close(LogFile *log)
{
	logfile_flush(log);
	if (log->dropped)
		write_note(log);
	close_fd(&log->fd);
}

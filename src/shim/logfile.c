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
#include "shim/logplace.h"

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

static void open_file(LogFile *log)
{
	struct stat status;

	log->fd = openat(log->directory, LOG_FILE_NAME, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0640);
	if (log->fd < 0)
		return;
	log->size = fstat(log->fd, &status) < 0 ? 0 : status.st_size;
}

/* A file in the form that another driver has left, or that a power cut has left without any, stays as it is. */
static bool is_other_form(const LogFile *log)
{
	return log->size && logblock_is_used(log->fd) != (log->gather != NULL);
}

static void go_on_with_file(LogFile *log)
{
	if (!log->gather)
		end_torn_line(log);
	else if (gather_open(log->gather, log->fd, log->directory))
		log->size = log->gather->start;
	else
		close_fd(&log->fd);
}

/* ---- what goes with its file ---- */

/* The batch is empty whenever a file goes. */
static int64_t count_lines_of(const LogFile *log, const char *name)
{
	autofd fd = openat(log->directory, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	int64_t count = 0;
	ssize_t length;

	while (fd >= 0 && (length = read(fd, log->batch, LOG_BATCH_SIZE)) > 0)
		count += logline_count(log->batch, (size_t)length);
	return count;
}

static void count_removed(const LogFile *log, const char *name)
{
	int64_t lines = log->is_forwarded ? count_lines_of(log, name) : 0;

	if (lines)
		logplace_add_removed(log->directory, lines);
}

/* Its lines were sent when kedge-log is at its end, or in a newer file. */
static bool is_sent(const LogFile *log, int64_t oldest)
{
	LogForwarded place;
	struct stat status;
	char name[NAME_SIZE];

	logplace_read_at(&place, log->directory);
	for (int64_t index = 0; index <= oldest && place.sent.file; index++) {
		name_of(name, index);
		if (!logplace_is_in(&place.sent, log->directory, name) ||
			fstatat(log->directory, name, &status, AT_SYMLINK_NOFOLLOW) < 0)
			continue;
		return index < oldest || place.sent.offset >= status.st_size;
	}
	return false;
}

bool logfile_has_room(const LogFile *log)
{
	char name[NAME_SIZE];
	struct stat status;

	if (!log->keeps_unsent || !log->max_size || log->size + (int64_t)log->used < log->max_size)
		return true;
	name_of(name, log->max_files - 1);
	if (fstatat(log->directory, name, &status, AT_SYMLINK_NOFOLLOW) < 0)
		return true;
	return is_sent(log, log->max_files - 1);
}

/* ---- rotating ---- */

/* From the oldest on, so that no file has two names at any time; see engine/logs.c, which follows them. */
static void rotate(LogFile *log)
{
	char from[NAME_SIZE], to[NAME_SIZE];

	name_of(to, log->max_files - 1);
	count_removed(log, to);
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
	open_file(log);
}

void logfile_open(LogFile *log)
{
	open_file(log);
	if (log->fd >= 0 && is_other_form(log))
		rotate(log);
	if (log->fd >= 0)
		go_on_with_file(log);
}

static void begin_next(LogFile *log)
{
	if (log->gather && !gather_spill(log->gather, log->fd))
		return; /* what is gathered is this file's: it goes on until there is room */
	rotate(log);
	if (log->fd >= 0)
		go_on_with_file(log);
}

/* ---- writing ---- */

/* How much of a batch that was written in part can stay: whole lines. */
static size_t whole_lines(const char *text, size_t length)
{
	const char *last = length ? memrchr(text, '\n', length) : NULL;

	return last ? (size_t)(last + 1 - text) : 0;
}

static size_t append_gathered(LogFile *log, const char *text, size_t length)
{
	int problem = errno;

	if (log->fd >= 0 && gather_add(log->gather, log->fd, text, length)) {
		log->size += (int64_t)length;
		return length;
	}
	log->problem = log->dropped ? log->problem : log->fd < 0 ? problem : log->gather->problem;
	return 0;
}

/* Gives how many bytes, of whole lines, are in the file now. */
static size_t append(LogFile *log, const char *text, size_t length)
{
	if (log->fd < 0)
		logfile_open(log);
	if (log->gather)
		return append_gathered(log, text, length);
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
	log->dropped += logline_count(log->batch + written, log->used - written);
	log->used = 0;
}

void logfile_add(LogFile *log, const LogEntry *entry)
{
	bool is_full = log->max_size && log->size + (int64_t)log->used >= log->max_size;

	if (is_full || log->used + LOG_LINE_MAX > LOG_BATCH_SIZE)
		logfile_flush(log);
	if (is_full && log->size >= log->max_size && logfile_has_room(log))
		begin_next(log);
	log->used += logline_write(log->batch + log->used, entry);
}

int64_t logfile_deadline(const LogFile *log)
{
	return log->gather && log->gather->held ? log->gather->due_ns : INT64_MAX;
}

bool logfile_step(LogFile *log, int64_t now_ns)
{
	if (now_ns < logfile_deadline(log))
		return false;
	(void)gather_spill(log->gather, log->fd); /* what stays is tried again */
	return true;
}

void logfile_end(LogFile *log)
{
	logfile_flush(log);
	if (!log->gather)
		return;
	log->gather->is_ending = true;
	(void)gather_spill(log->gather, log->fd); /* what stays is in the run directory, for kedged to keep */
}

void logfile_close(LogFile *log)
{
	logfile_end(log);
	if (log->dropped)
		write_note(log);
	close_fd(&log->fd);
}

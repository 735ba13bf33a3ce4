// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * One line of a json-file log: {"log":"text\n","stream":"stdout","time":"2026-11-22T16:25:00.1234Z"}, byte for byte as
 * Docker writes it, so that whatever reads Docker's logs reads these: escapes of Go's encoding/json with HTML
 * characters, invalid UTF-8 as U+FFFD, zeros at the end of the fraction left out. Source: moby
 * daemon/logger/jsonfilelog/jsonlog. The shim writes such lines, engine/logs.c reads them.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LOG_FILE_NAME "container.log" /* the older ones are container.log.1, .2, ... */

enum {
	LOG_ENTRY_MAX = 16 * 1024,              /* a longer line of the container is logged in pieces */
	LOG_LINE_MAX = 6 * LOG_ENTRY_MAX + 128, /* every byte escaped, and the frame */
	LOG_TIME_MAX = 40,
	LOG_FILES_MAX = 1000, /* kept files are counted up to here */
};

enum { LOG_STDOUT = 1, LOG_STDERR = 2 };

typedef struct LogEntry {
	int stream; /* LOG_STDOUT, LOG_STDERR */
	int64_t wall_ns;
	const char *data;
	size_t length;
	bool is_whole; /* writing: the line ended here and gets its "\n" */
} LogEntry;

/* Writes at most LOG_LINE_MAX bytes (entries are bounded by LOG_ENTRY_MAX), gives their number. */
size_t logline_write(char *to, const LogEntry *entry);
/* Reads one line (without or with its newline) in place; entry->data points into it and has its "\n". False for
 * anything damaged. */
bool logline_read(LogEntry *ret, char ret_time[LOG_TIME_MAX], char *line, size_t length);
int64_t logline_count(const char *text, size_t length); /* of newlines */
/* How much of a piece that was cut at `length` bytes to log now: less by the up to three bytes of a character that goes
 * on behind the cut. */
size_t logline_cut(const char *data, size_t length);

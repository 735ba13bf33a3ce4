// SPDX-License-Identifier: Apache-2.0
#include "base/log.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/strings.h"

enum { LINE_SIZE = 4096 };

static const char *const level_names[] = {
	[LOG_LEVEL_DEBUG] = "debug",
	[LOG_LEVEL_INFO] = "info",
	[LOG_LEVEL_WARNING] = "warning",
	[LOG_LEVEL_ERROR] = "error",
};
static const int syslog_priorities[] = {7, 6, 4, 3};
enum { LEVELS = sizeof(level_names) / sizeof(*level_names) };

static LogLevel lowest = LOG_LEVEL_INFO;
static const char *program_name;

void log_set_level(LogLevel level)
{
	lowest = level;
}

void log_set_name(const char *program)
{
	program_name = program;
}

int log_level_find(const char *name)
{
	return names_find(level_names, LEVELS, name);
}

static int put_prefix(char *line, size_t size, LogLevel level)
{
	char now[CLOCK_TEXT_MAX];

	if (getenv("JOURNAL_STREAM"))
		return snprintf(line, size, "<%d>", syslog_priorities[level]);
	clock_format(now, clock_wall_ns());
	return snprintf(line, size, "%s %s%s%s: ", now, program_name ? program_name : "", program_name ? " " : "",
		level_names[level]);
}

/* A message is one line: what would start another or steer a terminal becomes a space. */
static void make_one_line(char *text)
{
	for (; *text; text++)
		if ((unsigned char)*text < ' ' || *text == 0x7f)
			*text = ' ';
}

static void put_line(LogLevel level, const char *format, va_list args)
{
	char line[LINE_SIZE];

	if (level < lowest)
		return;
	size_t used = (size_t)put_prefix(line, sizeof(line) / 2, level);
	int length = vsnprintf(line + used, sizeof(line) - used - 1, format, args);
	if (length < 0)
		return;
	make_one_line(line + used);
	used += (size_t)length < sizeof(line) - used - 1 ? (size_t)length : sizeof(line) - used - 2;
	line[used++] = '\n';
	ssize_t ignored = write(STDERR_FILENO, line, used); /* nowhere left to complain */
	(void)ignored;
}

#define DEFINE_LOG(name, level)                                                                                        \
	void name(const char *format, ...)                                                                             \
	{                                                                                                              \
		va_list args;                                                                                          \
                                                                                                                       \
		va_start(args, format);                                                                                \
		put_line(level, format, args);                                                                         \
		va_end(args);                                                                                          \
	}

DEFINE_LOG(log_debug, LOG_LEVEL_DEBUG)
DEFINE_LOG(log_info, LOG_LEVEL_INFO)
DEFINE_LOG(log_warning, LOG_LEVEL_WARNING)
DEFINE_LOG(log_error, LOG_LEVEL_ERROR)

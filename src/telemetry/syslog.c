// SPDX-License-Identifier: Apache-2.0
/*
 * Syslog: the traditional form without and with a host (RFC 3164), RFC 5424 with seconds or microseconds; over streams
 * a newline ends a message (RFC 6587, 3.4.2), over TLS with RFC 5424 its length goes before it (RFC 5425). Which driver
 * option gives what: moby daemon/logger/syslog/syslog.go and srslog, whose messages end with a newline everywhere.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/memory.h"
#include "telemetry/driver.h"
#include "telemetry/facility.h"

#define LOCAL_SOCKET "/dev/log"

enum { SEVERITY_ERROR = 3, SEVERITY_INFO = 6, TIME_MAX = 40, APP_NAME_MAX = 48 };

typedef enum Format { PLAIN, RFC3164, RFC5424, RFC5424MICRO } Format;

struct LogDriver {
	Format format;
	int facility, pid;
	bool counts_bytes; /* RFC 5425 */
	char *host, *tag;
	Buffer message;
};

static fallible open_driver(LogDriver **ret, LogAddress *ret_address, const LogTarget *target)
{
	static const char *const formats[] = {
		[RFC3164] = "rfc3164", [RFC5424] = "rfc5424", [RFC5424MICRO] = "rfc5424micro"};
	const char *address = log_target_option(target, "syslog-address");
	const char *format = log_target_option(target, "syslog-format");
	int found = string_empty(format) ? PLAIN : names_find(formats, COUNT(formats), format);
	int facility;

	TRY(facility_find(&facility, log_target_option(target, "syslog-facility")));
	TRY(log_address_parse(
		ret_address, string_empty(address) ? "unixgram://" LOCAL_SOCKET : address, &log_address_syslog));
	LogDriver *driver = mem_new(LogDriver);
	driver->format = found < 0 ? PLAIN : (Format)found;
	driver->facility = facility;
	driver->pid = (int)getpid();
	driver->counts_bytes = ret_address->transport == LOG_TLS && driver->format >= RFC5424;
	driver->host = mem_strdup(string_empty(target->host) ? "-" : target->host);
	driver->tag = mem_strdup(target->tag);
	for (char *at = driver->tag; *at; at++) /* the field ends at a blank */
		if (*at <= ' ' || *at == 0x7f)
			*at = '_';
	*ret = driver;
	return NULL;
}

static void close_driver(LogDriver *driver)
{
	free(driver->host);
	free(driver->tag);
	buffer_clear(&driver->message);
	free(driver);
}

/* "Jan  2 15:04:05", in the machine's zone, as the form has no place for one */
static void format_traditional(char ret[TIME_MAX], int64_t wall_ns)
{
	time_t second = (time_t)(wall_ns / NANOS_PER_SECOND);
	struct tm parts = {0};

	localtime_r(&second, &parts);
	strftime(ret, TIME_MAX, "%b %e %H:%M:%S", &parts);
}

/* time: RFC 3339 with nine digits, UTC */
static void format_5424(char ret[TIME_MAX], const char *time, bool micro)
{
	size_t length = strcspn(time, ".") + (micro ? sizeof(".123456") - 1 : 0);

	snprintf(ret, TIME_MAX, "%.*sZ", (int)length, time);
}

static void add_head(LogDriver *driver, Buffer *out, const TailLine *line)
{
	int priority = driver->facility * 8 + (line->entry.stream == LOG_STDERR ? SEVERITY_ERROR : SEVERITY_INFO);
	char time[TIME_MAX];

	if (driver->format >= RFC5424) {
		format_5424(time, line->time, driver->format == RFC5424MICRO);
		buffer_printf(out, "<%d>1 %s %s %.*s %d %.32s - ", priority, time, driver->host, APP_NAME_MAX,
			driver->tag, driver->pid, driver->tag);
		return;
	}
	format_traditional(time, line->entry.wall_ns);
	buffer_printf(out, "<%d>%s ", priority, time);
	if (driver->format == RFC3164)
		buffer_printf(out, "%s ", driver->host);
	buffer_printf(out, "%s[%d]: ", driver->tag, driver->pid);
}

/* A newline in a message would end it where newlines do. The line has none, as it is one. */
static void add(LogDriver *driver, Batch *batch, const LogMessage *message, bool takes_datagrams)
{
	const LogEntry *entry = &message->line->entry;
	Buffer *out = &driver->message;

	(void)takes_datagrams;
	buffer_truncate(out, 0);
	add_head(driver, out, message->line);
	buffer_add(out, entry->data, entry->length);
	buffer_add_char(out, '\n');
	if (driver->counts_bytes)
		buffer_printf(&batch->bytes, "%zu ", out->length);
	buffer_add(&batch->bytes, out->data, out->length);
	batch_end_message(batch);
}

const LogDriverKind syslog_driver = {.name = "syslog", .open = open_driver, .close = close_driver, .add = add};

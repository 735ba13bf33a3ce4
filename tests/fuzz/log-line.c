// SPDX-License-Identifier: Apache-2.0
/* What is written is read back as it was; reading any bytes stays within the line. */
#include "shim/logline.h"

#include <string.h>

#include "base/strings.h"
#include "fuzz.h"

static void read_any(const uint8_t *data, size_t size)
{
	char *line = malloc(size + 1), time[LOG_TIME_MAX];
	LogEntry entry;

	memcpy(line, data, size);
	if (logline_read(&entry, time, line, size)) {
		must_hold(entry.data >= line && entry.data + entry.length <= line + size);
		must_hold(strlen(time) == 30);
		must_hold(entry.wall_ns >= 0);
	}
	free(line);
}

/* Text that is no UTF-8 comes back with replacement characters, anything else as it was. */
static void write_and_read(const uint8_t *data, size_t size)
{
	static char line[LOG_LINE_MAX];
	size_t length = size < LOG_ENTRY_MAX ? size : logline_cut((const char *)data, LOG_ENTRY_MAX);
	LogEntry entry = {LOG_STDERR, INT64_C(1795364700123456789), (const char *)data, length, false}, again;
	char time[LOG_TIME_MAX];

	size_t written = logline_write(line, &entry);
	must_hold(written <= LOG_LINE_MAX && line[written - 1] == '\n' && !memchr(line, '\n', written - 1));
	must_hold(logline_read(&again, time, line, written));
	must_hold(again.stream == entry.stream && again.wall_ns == entry.wall_ns);
	if (!string_is_utf8((const char *)data, length))
		return;
	must_hold(again.length == length && !memcmp(again.data, data, length));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	read_any(data, size);
	write_and_read(data, size);
	return 0;
}

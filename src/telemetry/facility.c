// SPDX-License-Identifier: Apache-2.0
#include "telemetry/facility.h"

#include <stdint.h>

#include "base/memory.h"
#include "base/strings.h"

enum { DAEMON = 3, FACILITY_MAX = 23 };

static const char *const facilities[] = {
	[0] = "kern",
	[1] = "user",
	[2] = "mail",
	[DAEMON] = "daemon",
	[4] = "auth",
	[5] = "syslog",
	[6] = "lpr",
	[7] = "news",
	[8] = "uucp",
	[9] = "cron",
	[10] = "authpriv",
	[11] = "ftp",
	[16] = "local0",
	[17] = "local1",
	[18] = "local2",
	[19] = "local3",
	[20] = "local4",
	[21] = "local5",
	[22] = "local6",
	[FACILITY_MAX] = "local7",
};

fallible facility_find(int *ret, const char *text)
{
	int64_t number = string_empty(text) ? DAEMON : names_find(facilities, COUNT(facilities), text);

	if (number < 0)
		TRY_WRAP(string_to_int64(&number, text, 0, FACILITY_MAX), "\"%s\" is no facility of syslog", text);
	*ret = (int)number;
	return NULL;
}

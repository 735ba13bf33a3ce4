// SPDX-License-Identifier: Apache-2.0
#include "cli/units.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/clock.h"

static const char *const decimal_names[] = {"B", "kB", "MB", "GB", "TB", "PB", "EB"};
static const char *const binary_names[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};

enum { NAME_COUNT = sizeof(decimal_names) / sizeof(decimal_names[0]) };

/* "999.99" rounds up to 1000, which is one of the next unit. */
static double rounded(double number, int digits)
{
	char text[UNITS_TEXT_MAX];

	snprintf(text, sizeof(text), "%.*g", digits, number);
	return strtod(text, NULL);
}

static void format(char *ret, double number, double base, const char *const *names, int digits)
{
	int unit = 0;

	while (rounded(number, digits) >= base && unit + 1 < NAME_COUNT) {
		number /= base;
		unit++;
	}
	number = rounded(number, digits);
	snprintf(ret, UNITS_TEXT_MAX, "%.*g%s", number >= 1000 && digits < 4 ? 4 : digits, number, names[unit]);
}

void units_decimal(char ret[UNITS_TEXT_MAX], double bytes, int digits)
{
	format(ret, bytes, 1000, decimal_names, digits);
}

void units_binary(char ret[UNITS_TEXT_MAX], double bytes)
{
	format(ret, bytes, 1024, binary_names, 4);
}

static void split_time(struct tm *ret, int64_t *ret_nanos, int64_t wall_ns)
{
	time_t seconds = wall_ns / NANOS_PER_SECOND;

	*ret_nanos = wall_ns % NANOS_PER_SECOND;
	if (*ret_nanos < 0) {
		*ret_nanos += NANOS_PER_SECOND;
		seconds--;
	}
	localtime_r(&seconds, ret);
}

void units_local_time(char ret[UNITS_TEXT_MAX], int64_t wall_ns)
{
	struct tm parts;
	int64_t nanos;

	split_time(&parts, &nanos, wall_ns);
	strftime(ret, UNITS_TEXT_MAX, "%Y-%m-%d %H:%M:%S %z %Z", &parts);
}

void units_local_rfc3339(char ret[UNITS_TEXT_MAX], int64_t wall_ns)
{
	struct tm parts;
	int64_t nanos;
	char date[32];

	split_time(&parts, &nanos, wall_ns);
	strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%S", &parts);
	long minutes = parts.tm_gmtoff / 60;
	int length = snprintf(ret, UNITS_TEXT_MAX, "%s.%09lld", date, (long long)nanos);
	if (minutes == 0)
		snprintf(ret + length, UNITS_TEXT_MAX - (size_t)length, "Z");
	else
		snprintf(ret + length, UNITS_TEXT_MAX - (size_t)length, "%c%02ld:%02ld", minutes < 0 ? '-' : '+',
			labs(minutes) / 60, labs(minutes) % 60);
}

void units_age(char ret[UNITS_TEXT_MAX], int64_t created_ns, int64_t now_ns)
{
	char age[CLOCK_TEXT_MAX] = "";

	if (created_ns > 0)
		clock_format_age(age, now_ns - created_ns);
	snprintf(ret, UNITS_TEXT_MAX, "%s%s", *age ? age : "N/A", *age ? " ago" : "");
}

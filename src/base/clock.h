// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Time (invariant 8): every timeout is on the monotonic clock (CLOCK_BOOTTIME); wall time is for display,
 * events and certificates only, and may jump by years.
 */
#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

#define NANOS_PER_SECOND INT64_C(1000000000)
#define NANOS_PER_MILLI INT64_C(1000000)
#define CLOCK_TEXT_MAX 48

int64_t clock_monotonic_ns(void);
int64_t clock_wall_ns(void); /* since 1970 */

/* RFC 3339 with nanoseconds, UTC: "2026-11-22T16:25:00.123456789Z". 0 gives "0001-01-01T00:00:00Z", Docker's word for
 * never. */
void clock_format(char ret[CLOCK_TEXT_MAX], int64_t wall_ns);
fallible clock_parse(int64_t *ret_wall_ns, const char *rfc3339);
/* What Docker's since= and until= take: unix seconds with fraction, RFC 3339, or a Go duration ("10m") before now. */
fallible clock_parse_point(int64_t *ret_wall_ns, const char *text);
/* Go durations: "1m30s", "100ms", "1.5h". */
fallible clock_parse_duration(int64_t *ret_ns, const char *text);
void clock_format_duration(char ret[CLOCK_TEXT_MAX], int64_t ns); /* "1m30s" */
/* "3 seconds", "About a minute", "2 hours": Docker's rounding. */
void clock_format_age(char ret[CLOCK_TEXT_MAX], int64_t ns);

/* The kernel's boot id: state of an earlier boot is known by it. */
fallible clock_boot_id(char ret[37]);

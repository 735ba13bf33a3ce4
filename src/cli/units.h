// SPDX-License-Identifier: Apache-2.0
#pragma once
/* Figures as Docker's tables show them. */
#include <stddef.h>
#include <stdint.h>

enum { UNITS_TEXT_MAX = 64 };

void units_decimal(
	char ret[UNITS_TEXT_MAX], double bytes, int digits); /* "4.26MB": powers of 1000, significant digits */
void units_binary(char ret[UNITS_TEXT_MAX], double bytes);   /* "1.5MiB": powers of 1024, four digits */
/* "2026-11-22 16:25:00 +0100 CET" in the local zone. */
void units_local_time(char ret[UNITS_TEXT_MAX], int64_t wall_ns);
/* "2026-11-22T16:25:00.123456789+01:00" in the local zone, "...Z" in UTC. */
void units_local_rfc3339(char ret[UNITS_TEXT_MAX], int64_t wall_ns);
/* "2 hours ago"; "N/A" of what has no time, as images that were made to be reproducible. */
void units_age(char ret[UNITS_TEXT_MAX], int64_t created_ns, int64_t now_ns);

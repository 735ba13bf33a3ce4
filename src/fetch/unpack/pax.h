// SPDX-License-Identifier: Apache-2.0
#pragma once
/* Extended headers: "<length> <key>=<value>\n" records (POSIX.1-2017 pax, "pax Extended Header"), and the numbers in
 * them. */
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "base/error.h"

/* Calls visit for each record; key and value are NUL-terminated in place, a value may hold NUL bytes. */
fallible pax_each(char *text, size_t length,
	Error *(*visit)(void *arg, const char *key, const char *value, size_t length), void *arg);
/* Whole, not negative. */
fallible pax_number(int64_t *ret, const char *value, const char *key);
/* "-12.345678901": seconds since 1970 with a fraction. */
fallible pax_time(struct timespec *ret, const char *value);

// SPDX-License-Identifier: Apache-2.0
#pragma once
/* Docker's forms of plain values, which several of its documents have. */
#include "base/strings.h"
#include "json/writer.h"

void write_time(Writer *writer, const char *key, int64_t wall_ns); /* RFC 3339 with nanoseconds; 0 is year 1 */
void write_strings_or_null(Writer *writer, const char *key, const StringList *list);
void write_set_or_null(Writer *writer, const char *key, const StringList *names); /* {"80/tcp":{}} */

// SPDX-License-Identifier: Apache-2.0
#include "cli/points.h"

#include "base/clock.h"
#include "base/strings.h"
#include "cli/api.h"

fallible target_query_point(Buffer *target, const char *key, const char *text)
{
	int64_t point;

	if (!text)
		return NULL;
	TRY_WRAP(clock_parse_point(&point, text), "option \"--%s\"", key);
	autofree char *seconds = string_printf(
		"%lld.%09lld", (long long)(point / NANOS_PER_SECOND), (long long)(point % NANOS_PER_SECOND));
	target_query(target, key, seconds);
	return NULL;
}

// SPDX-License-Identifier: Apache-2.0
#pragma once
/* --since and --until: points in time as people write them, as the API wants them. */
#include "base/buffer.h"
#include "base/error.h"

/* Adds "key=SECONDS.NANOS"; text NULL: nothing. Durations count back from now by our clock. */
fallible target_query_point(Buffer *target, const char *key, const char *text);

// SPDX-License-Identifier: Apache-2.0
#pragma once
/* What stop and restart have in common: how the container is asked to end, and for how long. */
#include "cli/cli.h"

typedef struct StopOptions {
	bool help;
	char *signal;
	int64_t timeout; /* seconds; -1: for ever; STOP_TIMEOUT_UNSET: the container's own */
} StopOptions;

extern const Option stop_options[];
extern const StopOptions stop_defaults;

void stop_options_query(Buffer *target, const StopOptions *options);

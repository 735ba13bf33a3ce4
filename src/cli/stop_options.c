// SPDX-License-Identifier: Apache-2.0
#include "cli/stop_options.h"

#include "cli/api.h"

enum { STOP_TIMEOUT_UNSET = -2 };

const StopOptions stop_defaults = {.timeout = STOP_TIMEOUT_UNSET};

const Option stop_options[] = {
	HELP_OPTION(StopOptions),
	{"signal", 's', OPTION_STRING, offsetof(StopOptions, signal), "SIGNAL",
		"the signal to ask with (without it: the container's stop signal)", .complete = "signal"},
	{"timeout", 't', OPTION_INT, offsetof(StopOptions, timeout), "SECONDS",
		"how long to wait before KILL, -1 for ever (without it: the container's stop timeout)", -1, INT32_MAX},
	{"time", 0, OPTION_INT, offsetof(StopOptions, timeout), "SECONDS", "the older name of --timeout", -1,
		INT32_MAX},
	OPTION_END,
};

void stop_options_query(Buffer *target, const StopOptions *options)
{
	target_query(target, "signal", options->signal);
	if (options->timeout != STOP_TIMEOUT_UNSET)
		target_query_int(target, "t", options->timeout);
}

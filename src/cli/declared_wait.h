// SPDX-License-Identifier: Apache-2.0
#pragma once
/* Waiting for declared containers, with what becomes of each on standard error where that is a terminal. */
#include "cli/api.h"

/* Until each is as declared, or nothing more happens to it by itself. Those that are not, or not in time, are reported
 * one by one, with the reason, and make the exit status 1. */
fallible declared_wait(Cli *cli, const StringList *names, int64_t timeout_ns);

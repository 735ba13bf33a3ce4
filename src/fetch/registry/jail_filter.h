// SPDX-License-Identifier: Apache-2.0
#pragma once
/* The system calls that are left to kedge-fetch: a list of what may be called. What libraries try in passing fails with
 * EPERM; what would only be called by somebody else's code kills the process. */
#include "base/error.h"

/* Threads may still be made (name resolution), processes not. */
fallible fetch_jail_filter_load(void);

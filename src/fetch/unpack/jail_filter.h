// SPDX-License-Identifier: Apache-2.0
#pragma once
/* The system calls that are left to a jailed unpacker: a list of what may be called. Anything else kills the process.
 */
#include "base/error.h"

/* Needs no_new_privs or CAP_SYS_ADMIN, and sets the former. Threads may still be made, processes not. */
fallible jail_filter_load(void);

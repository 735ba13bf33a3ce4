// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * What is left when a container has ended: processes that outlived its init, the runtime's record, its control groups.
 * For crun all of it can be removed without running crun once more.
 */
#include <stdbool.h>

#include "shim/settings.h"

/* Kills and reaps every child of the shim, also grandchildren that come to it by that; gives up after a second. */
void remains_kill_children(void);
/* False: the runtime has to do it. */
bool remains_remove(const ShimSettings *settings);
/* The number N of the line "<name> N" of a cgroup file; 0 when it cannot be read. */
int64_t remains_oom_number(const char *oom_file, const char *name);

// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Whether a process belongs to a control group. A process's number may pass on to another one, a container's group
 * never does: who means one process holds it (a pidfd, its directory in /proc) before asking.
 */
#include <stdbool.h>

/* group: its path in the hierarchies. process: its directory in /proc, relative to dir. One that has ended is of none;
 * one in a group below belongs to it. */
bool member_of(const char *group, int dir, const char *process);

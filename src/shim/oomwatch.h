// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Tells when the kernel's OOM killer strikes in the container's control group, also when its init lives on. Version 1
 * has an eventfd for that, version 2 a file that changes. Source: kernel Documentation/admin-guide/cgroup-v1/memory.rst
 * section 9, cgroup-v2.rst "memory.events".
 */
#include <stdbool.h>
#include <stdint.h>

typedef struct OomWatch {
	const char *oom_file; /* lent; see cgroup_oom_file() */
	int fd;               /* readable when it may have struck; -1: not watched */
	int64_t kills;        /* as last seen */
} OomWatch;

/* Before the container starts; its group need not be there yet. oom_file NULL: nothing can be told. */
void oomwatch_init(OomWatch *watch, const char *oom_file);
/* The group is there. What cannot be watched is still told at the end, by oomwatch_struck(). */
void oomwatch_begin(OomWatch *watch);
/* Whether it has struck since this was asked last. Takes what is readable. */
bool oomwatch_struck(OomWatch *watch);
/* Before the group is removed, which makes the descriptor readable, too. */
void oomwatch_end(OomWatch *watch);

// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * The steps by which a helper program gives up what it does not need, in the order in which they are called:
 * namespaces, root, limits, capabilities, and last the filter of jail/filter.h. For root with one thread. What is left
 * to whom is said by the jails (fetch/registry/jail.h, fetch/unpack/jail.h).
 */
#include <stddef.h>
#include <stdint.h>
#include <sys/resource.h>

#include "base/error.h"

/* New namespaces (CLONE_NEW...), the mount namespace always among them; nothing mounted there is seen outside. */
fallible confine_namespaces(int others);
/* A mount namespace that follows the host's: what is unmounted outside goes here as well, so that a slow client of ours
 * pins nothing. */
fallible confine_mounts(void);

/* root: a mount without a place (fsmount(2), open_tree(2)). mount_flags: MS_RDONLY, MS_NOSUID... */
fallible confine_root(int root, unsigned long mount_flags);

typedef struct ConfineLimit {
	int resource; /* RLIMIT_... */
	rlim_t value; /* soft and hard */
} ConfineLimit;

fallible confine_limits(const ConfineLimit *limits, size_t count);
/* For RLIMIT_NOFILE: as many as can be had, most at the most. */
rlim_t confine_open_files(rlim_t most);

/* kept: a bit for each capability that stays in the bounding set. */
fallible confine_bounding(uint64_t kept);
/* The sets of the process; no new privileges from now on. */
fallible confine_capabilities(uint64_t kept);

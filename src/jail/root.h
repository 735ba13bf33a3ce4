// SPDX-License-Identifier: Apache-2.0
#pragma once
/* What a program may see and nothing else (base/confine.h makes it the root): mounts that have no place yet. */
#include "base/error.h"

/* An empty file system in memory, to be filled before anything else changes. */
fallible jail_root_make(int *ret_fd);
/* A directory, as a mount of its own. Before the mount namespace is left: a mount of another one cannot be copied. */
fallible jail_root_of(int *ret_fd, int directory);

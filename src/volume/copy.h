// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * A directory tree as a second one: owners, modes, times in nanoseconds, hard links among its files, devices, fifos,
 * holes, and the extended attributes that travel with images (security.capability, user.*) or are access lists. Links
 * are copied, never followed. Sockets are left out.
 */
#include "base/error.h"

/* What is in the directory from, into the empty directory to, which hands no default access list on. */
fallible copy_tree(int from, int to);
/* Owner, mode and extended attributes of the directory itself. */
fallible copy_directory_attributes(int from, int to);
fallible copy_times(int from, int to);

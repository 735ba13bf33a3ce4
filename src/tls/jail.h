// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * What surrounds kedge-tls: a user without rights and capabilities, in namespaces of its own (the network's too: it has
 * its listening sockets, and can make no other connection), whose root is a directory with kedged's socket and nothing
 * else. It opens no file and starts nothing.
 */
#include <stddef.h>

#include "base/error.h"

/* As root, with one thread. root: an open directory. */
fallible tls_jail_enter(const char *user, int root, size_t open_files_max);

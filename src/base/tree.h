// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Visiting a whole tree of files, of which nothing is trusted: links are not followed, mounts not entered (and not
 * told) unless the visitor wants them, what vanishes meanwhile is left out. Neither descriptors nor stack grow with the
 * depth. tree_remove() and tree_size() of base/files.h walk the same way.
 */
#include <stdbool.h>
#include <sys/stat.h>

#include "base/error.h"

enum { TREE_PATH_MAX = 64 << 10 };

/* path is relative to the root. The first error ends the walk. */
typedef struct TreeVisitor {
	Error *(*directory)(void *arg, int fd, const char *path, const struct stat *status); /* before what is in it */
	Error *(*file)(void *arg, int dir, const char *name, const char *path);              /* anything else */
	bool (*enters)(void *arg, int fd); /* a mount: false: told as a directory with nothing in it. NULL: not told */
	void *arg;
} TreeVisitor;

/* Everything below the directory root, but not root itself. root is borrowed. */
fallible tree_each(int root, const TreeVisitor *visitor);

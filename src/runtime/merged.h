// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Opens one file as it is seen through stacked layers, without mounting them: overlay's rules for whiteouts, opaque
 * directories and hiding, links followed through the merged view and never out of it. Source: kernel
 * Documentation/filesystems/overlayfs.rst.
 */
#include "base/error.h"
#include "base/strings.h"

enum { MERGED_LINKS_MAX = 40 };

/* directories: absolute paths, topmost first; absent ones are skipped. ret_fd is -1 when nothing, or no regular file,
 * is there. */
fallible merged_open(int *ret_fd, const StringList *directories, const char *path);

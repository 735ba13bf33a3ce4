// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Access lists of files and directories, as the kernel has them in attributes. What is made in a directory with a
 * default list gets that list too, and a narrower mode: a directory's are kept until everything is made.
 */
#include "fetch/unpack/tar.h"

typedef struct AccessLists AccessLists;

AccessLists *lists_new(void);
AccessLists *lists_free(AccessLists *lists);
/* Those of an entry that was made just now: the last part of its clean path, in the directory parent. */
fallible lists_take(AccessLists *lists, int parent, const char *path, const TarEntry *entry);
fallible lists_finish(AccessLists *lists, int root);

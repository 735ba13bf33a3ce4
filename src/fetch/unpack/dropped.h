// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Files that were replaced, on their way out. The last descriptor of a removed file gives its blocks back when it is
 * closed, and where the disk is told of each file's at once (ext4 without a journal, option discard) that waits for the
 * disk, 10,000 times for 10,000 small files. Threads of their own close them, while the work goes on.
 */
#include "base/cleanup.h"

typedef struct Dropped Dropped;

Dropped *dropped_new(void);
Dropped *dropped_free(Dropped *dropped); /* waits until all are closed */
DEFINE_AUTOPTR(Dropped, dropped_free)

/* Where there are too many already, it is closed here. */
void dropped_add(Dropped *dropped, int take_file);

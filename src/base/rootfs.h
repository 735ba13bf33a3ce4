// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * What a container that does not run would see: its layers on one another, and what is bound into it. Helper programs
 * mount it in a mount namespace of their own, so that the kernel removes it with them. It is described by text, which
 * kedged writes and the helper reads: words, each with its NUL.
 *
 *   layers directory, lower ("17:16:3", names in it, topmost first), upper, work, "rw" or "ro", then for each bind
 *   source, target, "rw" or "ro", and a path within the source, out of which no link leads ("": the source itself)
 */
#include <stdbool.h>
#include <stddef.h>

#include "base/buffer.h"
#include "base/error.h"

enum { ROOTFS_MAX = 1 << 20 };

typedef struct RootfsPlan {
	const char *layers, *lower, *upper, *work; /* work NULL: nothing that is written stays */
	bool read_only;
} RootfsPlan;

void rootfs_write(Buffer *out, const RootfsPlan *plan);
/* In the order of their targets: what lies below another comes after it. */
void rootfs_write_bind(
	Buffer *out, const char *source, const char *target, bool read_only, const char *part); /* NULL: all of it */

/* As root with one thread: enters a mount namespace of its own and opens the file system's root there. Binds whose
 * source is not there are left out. text: as written, ends with a NUL. */
fallible rootfs_mount(int *ret_root, const char *text, size_t length);

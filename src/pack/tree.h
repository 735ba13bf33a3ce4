// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * A directory tree as a tar archive: hard links, devices, fifos, holes of sparse files (GNU sparse format 1.0), times
 * in nanoseconds, and the extended attributes that travel with images (security.capability, user.*). Sockets are left
 * out, as tar does. Files may change and vanish meanwhile: each has the size that its header says.
 */
#include <sys/types.h>

#include "pack/tar.h"

/* Everything below root, which is borrowed. */
fallible pack_tree(TarOut *out, int root);
/* And before it, as "./", root itself; with access lists. */
fallible pack_whole_tree(TarOut *out, int root);
/*
 * A directory and everything below it as path ("", "." and names without a slash at their end), with what is mounted
 * there, but for the kernel's own file systems (proc, sysfs, ...), of which the directory is all. device: of a mount
 * that is left out in the same way; 0: none. directory is borrowed.
 */
fallible pack_branch(TarOut *out, int directory, const char *path, dev_t device);
/* What is no directory: name in dir, as path. It may have gone: nothing is packed then. */
fallible pack_leaf(TarOut *out, int dir, const char *name, const char *path);

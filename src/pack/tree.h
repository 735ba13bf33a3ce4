// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * A directory tree as a tar archive: hard links, devices, fifos, holes of sparse files (GNU sparse format 1.0), times
 * in nanoseconds, and the extended attributes that travel with images (security.capability, user.*). Sockets are left
 * out, as tar does. Files may change and vanish meanwhile: each has the size that its header says.
 */
#include "pack/tar.h"

/* Everything below root, which is borrowed. */
fallible pack_tree(TarOut *out, int root);

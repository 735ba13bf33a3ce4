// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * The container's root file system: an overlay in a mount namespace of the shim's own, so that the host's mount table
 * stays short and the kernel removes it with the shim, whatever happens.
 */
#include "base/error.h"
#include "shim/settings.h"

/* Enters the namespace and mounts at <bundle>/rootfs. The working directory is the bundle afterwards. */
fallible mount_root(const ShimSettings *settings);
/* A tree of mounts that lies nowhere, of this namespace or of another one; the working directory may be the root
 * afterwards. flags: of open_tree(2). */
fallible mount_take(int *ret_tree, int dir, const char *path, unsigned flags);
fallible mount_take_from(int *ret_tree, int namespace, const char *path, unsigned flags);
fallible mount_place(int tree, const char *target);
void unmount_root(void); /* relative to the bundle; writes back what upper holds, unless volatile */

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
/* Then: the sources of flat binds, below <bundle>/flat. Looking at them may take for ever. */
fallible mount_flat_binds(const ShimSettings *settings);
void unmount_root(void); /* relative to the bundle; writes back what upper holds, unless volatile */

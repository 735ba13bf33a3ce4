// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * The tree that is packed, as this process's root: nothing outside it can be reached, whatever it holds. Of root's
 * rights only reading is kept.
 */
#include "base/error.h"

/* Opens the directory as it is. */
fallible view_open(int *ret_root, const char *directory);
/*
 * Opens what a stopped container would see: the directory on top of lower layers ("17:16:3", names below the working
 * directory, topmost first), by an overlay that is read only and mounted in a mount namespace of this process's own.
 */
fallible view_open_stacked(int *ret_root, const char *directory, const char *lower);
/* Opens what the layers show together, topmost first, in a mount namespace of its own; -1 without layers. */
fallible view_open_lower(int *ret_root, const char *lower);
/* Makes root, which stays open, the root directory and gives up what is not needed any more. */
fallible view_enter(int root);
/* Only the rights. */
fallible view_restrict(void);

// SPDX-License-Identifier: Apache-2.0
#pragma once
/* Whether containers can have a root of their own. */
#include "base/error.h"

/* In a chroot(2) pivot_root(2) leaves the host's root where it is, above a container's, and setns(2) leads there: that
 * is an error. Entering the mount namespace that one is in leads to its root. Source: setns(2), pivot_root(2). */
fallible root_check(void);

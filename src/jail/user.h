// SPDX-License-Identifier: Apache-2.0
#pragma once
/* The user that a helper program becomes. */
#include <sys/types.h>

#include "base/confine.h"
#include "base/error.h"

/* By name; root is refused. */
fallible jail_user_find(const char *user, uid_t *ret_uid, gid_t *ret_gid);
/* For good: the limits, then that user without any other group, and no capability left or to be had. */
fallible jail_user_lower(uid_t uid, gid_t gid, const ConfineLimit *limits, size_t count);
/* Both, for root, where nothing comes in between. By /etc/passwd alone. */
fallible jail_user_enter(const char *user, const ConfineLimit *limits, size_t count);

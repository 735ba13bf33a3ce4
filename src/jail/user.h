// SPDX-License-Identifier: Apache-2.0
#pragma once
/* The user that a helper program becomes. */
#include <sys/types.h>

#include "base/error.h"

/* By name; root is refused. */
fallible jail_user_find(const char *user, uid_t *ret_uid, gid_t *ret_gid);
/* For good, without any other group. */
fallible jail_user_become(uid_t uid, gid_t gid);

// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Resolves "user[:group]" against the container's own /etc/passwd and /etc/group, read through the layers without
 * mounting them (topmost first, whiteouts respected, links resolved inside the layer root by openat2). Names nobody has
 * are an ERROR_INVALID that names them.
 */
#include <stddef.h>
#include <sys/types.h>

#include "base/error.h"
#include "base/strings.h"

typedef struct UserIds {
	uid_t uid;
	gid_t gid;
	gid_t groups[64]; /* supplementary */
	size_t group_count;
	char home[256]; /* "/" when unknown */
} UserIds;

/* directories: absolute paths of upper (may be absent) and lower layers, topmost first. user NULL or "" is root. */
fallible user_resolve(UserIds *ret, const char *user, const StringList *extra_groups, const StringList *directories);

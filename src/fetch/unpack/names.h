// SPDX-License-Identifier: Apache-2.0
#pragma once
/* Names of archive entries: bytes that nobody has checked. */
#include <limits.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

enum { NAME_SHOWN_MAX = 256 };

/*
 * As Docker reads names: "/a//./b/../c/" is "a/c", relative to the root; "" is the root itself. A name that leads out
 * ("../x"), too deep or with a part that no file system takes is an error.
 */
fallible name_clean(char ret[PATH_MAX], const char *name, int64_t max_depth);
/* What lies behind the last slash; all of it without one. */
const char *name_base(const char *clean);
/* For messages: control bytes as "\ooo", the middle of long ones left out. */
const char *name_show(char ret[NAME_SHOWN_MAX], const char *name);

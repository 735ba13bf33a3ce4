// SPDX-License-Identifier: Apache-2.0
#pragma once
/* The versions of the Container Network Interface that are spoken here, and in what they differ. */
#include <stdbool.h>

#include "base/error.h"

fallible cni_version_check(const char *version);  /* its message is "..." is not one of them */
bool cni_version_has_check(const char *version);  /* CHECK, and prevResult for DEL: since 0.4.0 */
bool cni_version_has_family(const char *version); /* addresses in results say "4" or "6": until 0.4.0 */

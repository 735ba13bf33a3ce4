// SPDX-License-Identifier: Apache-2.0
#pragma once
/* What a process of root's may do, for programs that give most of it up before they touch what nobody vouches for. */
#include <stdint.h>

#include "base/error.h"

#define RIGHT(capability) (UINT64_C(1) << (capability))

/* Keeps these capabilities (RIGHT(CAP_...) | ...) and no others, for good: nothing that is executed gets more. */
fallible rights_keep(uint64_t kept);

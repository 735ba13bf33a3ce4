// SPDX-License-Identifier: Apache-2.0
#pragma once
/* Linux capabilities by name, and Docker's default set of 14. Names come with or without "CAP_", in any case. */
#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/strings.h"

#define CAPABILITY_BIT(n) (UINT64_C(1) << (n))

uint64_t capability_default_set(void);
uint64_t capability_all(void); /* what the kernel knows and kedged itself holds in its bounding set */
fallible capability_parse(int *ret, const char *name);
const char *capability_name(int number); /* "CAP_CHOWN"; NULL when unknown */
/*
 * Docker's rules: default - drop + add. "ALL" in add: everything held - drop; "ALL" in drop: add alone. What kedged
 * does not hold cannot be added, and is quietly left out of the defaults.
 */
fallible capability_set(uint64_t *ret, const StringList *add, const StringList *drop, bool privileged);

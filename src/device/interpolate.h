// SPDX-License-Identifier: Apache-2.0
#pragma once
/* Variables in a compose file ("${NAME:-default}", "$NAME", "$$"), which have no values here: what is left is their
 * default, or nothing. Source: compose specification, 12-interpolation.md. */
#include "base/strings.h"
#include "json/value.h"

/* A copy with every text done; a note for each variable. */
fallible interpolate(Value **ret, const Value *value, StringList *notes);

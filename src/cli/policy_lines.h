// SPDX-License-Identifier: Apache-2.0
#pragma once
/* What "enforcement" and "service" print of rules, and of containers that are removed. */
#include "json/value.h"

void rules_print(const Value *rules); /* a line each */
void removals_print(const Value *removals);

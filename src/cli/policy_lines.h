// SPDX-License-Identifier: Apache-2.0
#pragma once
/* What "enforcement" and "service" print of rules, and of containers that are removed. */
#include "json/value.h"

void rules_print(const Value *rules);    /* a line each */
void problem_print(const Value *status); /* why the file says something else than what holds, if it does */
/* What it has under "removals" and "stops", and, where these lack something, "engine". */
void removals_print(const Value *answer);

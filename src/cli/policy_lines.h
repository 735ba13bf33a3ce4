// SPDX-License-Identifier: Apache-2.0
#pragma once
/* What "enforcement" and "service" print of rules, and of containers that are removed. */
#include "json/value.h"

void rules_print(const Value *rules);    /* a line each */
void problem_print(const Value *status); /* why the file says something else than what holds, if it does */
void removals_print(
	const Value *answer); /* what it has under "removals" and "stops", and, where that lacks something, "engine" */

// SPDX-License-Identifier: Apache-2.0
#pragma once
/* Whether networks have on the host what they should, and nothing else: a part of engine_check(). */
#include "engine/check.h"

typedef struct NetworkCheck {
	Engine *engine;
	bool repairs;
	CheckReport *report;
	void *arg;
} NetworkCheck;

/* Bridges and interfaces of what runs, interfaces in our bridges that are nobody's, and the packet filter. What is to
 * be made again is made a moment later. */
fallible network_check(const NetworkCheck *check);

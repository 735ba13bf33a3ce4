// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Tells what other programs do to the ruleset of the network namespace in which the watch was opened. What our own
 * Firewall changes is not told. Many changes in a row are one call.
 */
#include "base/loop.h"
#include "network/elements.h"

typedef struct RulesetWatch RulesetWatch;

typedef struct RulesetHandlers {
	/* Our table, or something in it, was changed or removed by somebody: look at once (firewall_look(), firewall_sync()).
	 * A spurious call is possible. */
	void (*damaged)(void *arg);
	/* Chains or rules of other tables came, changed or went: foreign_look() may say something else now. NULL: nobody
	 * asks. */
	void (*others_changed)(void *arg);
} RulesetHandlers;

fallible ruleset_watch_open(
	RulesetWatch **ret, Loop *loop, const Firewall *ours, const RulesetHandlers *handlers, void *arg);
RulesetWatch *ruleset_watch_close(RulesetWatch *watch);
DEFINE_AUTOPTR(RulesetWatch, ruleset_watch_close)

// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * kedge's one table of nf_tables (family inet): its chains and rules never change while kedge runs; ports and networks
 * are elements of its sets and maps (network/elements.h). The text is loaded by `nft -f`, in one transaction together
 * with the elements that should be there, so that there is no moment without them; the loop goes on meanwhile.
 */
#include "base/loop.h"
#include "network/elements.h"

/* Owned: the text for `nft -f`, which replaces a table of that name. */
char *firewall_text(const char *name, const FirewallState *state);

typedef enum FirewallCondition {
	FIREWALL_WHOLE,
	FIREWALL_MISSING,
	FIREWALL_DIFFERS /* another version's, or somebody took or added chains or rules */
} FirewallCondition;

/* Asks the kernel; some 0.1 ms. Elements are not looked at (firewall_sync() does). */
fallible firewall_look(Firewall *firewall, FirewallCondition *ret);

typedef struct FirewallLoad FirewallLoad;
typedef void FirewallLoadHandler(void *arg, Error *take_error); /* NULL: it is there */

/* The handler runs once, from the loop; the load is to be freed then, or before, which gives it up (nft is killed; the
 * transaction has happened whole or not at all). What has changed in the desired state meanwhile is for
 * firewall_sync(). */
fallible firewall_load(FirewallLoad **ret, Loop *loop, const char *name, const FirewallState *state,
	FirewallLoadHandler *handler, void *arg);
FirewallLoad *firewall_load_free(FirewallLoad *load);
DEFINE_AUTOPTR(FirewallLoad, firewall_load_free)

fallible firewall_remove(Firewall *firewall); /* absent is fine */

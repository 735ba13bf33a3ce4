// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * The rules of others. An accept in our table never undoes a drop in another one, so foreign_look() follows the packets
 * of our bridges through every chain of others that sees forwarded packets or those for the host itself
 * (network/ruleset.h), and finds those that are dropped. A ForeignOpener (network/opener.h) opens the way where that
 * chain has a manager with means for it; a ruleset written by hand is not touched: the report has the lines for its
 * owner.
 */
#include "base/strings.h"
#include "network/elements.h"
#include "network/ruleset.h"

typedef enum ForeignManager { MANAGER_OWNER, MANAGER_IPTABLES, MANAGER_FIREWALLD, MANAGERS } ForeignManager;
extern const char *const foreign_manager_names[MANAGERS]; /* "nft", "iptables", "firewalld" */

typedef enum ForeignWay {
	WAY_OUT,  /* from a container to the outside, with the answers */
	WAY_IN,   /* from outside to a published port */
	WAY_HOST, /* from a container to the host itself: often meant so */
	WAYS
} ForeignWay;

/* One chain that drops some of our packets. */
typedef struct ForeignDrop {
	const char *family; /* "inet", "ip", "ip6" */
	char *table, *chain;
	const char *hook; /* "forward", "input" */
	ForeignManager manager;
	bool ways[WAYS];    /* what is dropped */
	bool is_open_wide;  /* there are networks of ours whose containers are reached without translation */
	bool drops_replies; /* to what leaves */
	bool drops_answers; /* to what comes in */
	char *reason;       /* "its policy is drop", "rule 7 of chain \"x\" drops" */
	StringList bridges; /* whose packets */
	StringList lines;   /* commands that open the way */
} ForeignDrop;

typedef struct ForeignReport {
	ForeignDrop *drops;
	size_t count;
	StringList opened; /* what we have put into others' chains, in words */
} ForeignReport;

void foreign_report_clear(ForeignReport *report);
DEFINE_AUTOCLEAR(ForeignReport, foreign_report_clear)

/* What is dropped, and by whom, in one line: a warning. Owned; NULL where that is only WAY_HOST, which is seldom
 * missed. */
char *foreign_drop_warning(const ForeignDrop *drop);
/* The same for whatever is dropped. Owned. */
char *foreign_drop_words(const ForeignDrop *drop);

/* networks: ours. Some milliseconds where others have thousands of rules. Does not fill ret->opened. */
fallible foreign_look(ForeignReport *ret, const Firewall *ours, const FirewallState *networks);
/* The same for a ruleset that was read; ignored: a chain that is taken as not jumped to. */
void foreign_judge(ForeignReport *ret, const Ruleset *ruleset, const FirewallState *networks, const char *ignored);

// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * The rules of others as the kernel has them, read once by netlink, and what they do with a packet. A RulesetPacket is
 * one of a kind: only what is in it is known. A rule that asks for anything else (an address, a port, a rate) is taken
 * as one that does not match, so that the answer is what happens to the packets that nobody has thought of.
 */
#include <net/if.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/error.h"

typedef struct RulesetRule {
	void *expressions; /* a list of attributes */
	size_t length;
} RulesetRule;

typedef struct RulesetChain {
	int family; /* NFPROTO_ */
	char *table, *name;
	bool is_base, is_nat;
	int hook;   /* NF_INET_ */
	int policy; /* NF_ACCEPT, NF_DROP */
	RulesetRule *rules;
	size_t count;
} RulesetChain;

typedef struct Ruleset {
	RulesetChain *chains; /* of families inet, ip and ip6 */
	size_t count;
} Ruleset;

/* except_table: an inet table that is left out: ours. */
fallible ruleset_read(Ruleset *ret, const char *except_table);
void ruleset_clear(Ruleset *ruleset);
DEFINE_AUTOCLEAR(Ruleset, ruleset_clear)

const RulesetChain *ruleset_find(const Ruleset *ruleset, int family, const char *table, const char *chain);
/* Of the rules of a chain, from 1, the first that does nothing but jump to (or, target NULL, return); 0: none. */
size_t ruleset_find_jump(const RulesetChain *chain, const char *target);

typedef struct RulesetPacket {
	int family;         /* NFPROTO_IPV4, NFPROTO_IPV6 */
	const char *in;     /* interface; NULL: not known */
	const char *out;    /* the same; "": it has none */
	bool is_translated; /* its destination was */
	bool is_reply;      /* of a flow that has begun */
} RulesetPacket;

typedef struct RulesetVerdict {
	bool is_drop;
	const RulesetChain *chain; /* whose rule dropped it */
	size_t rule;               /* from 1; 0: the policy */
} RulesetVerdict;

/* base: where it begins. ignored (may be NULL): the name of a chain that is not jumped to. */
RulesetVerdict ruleset_judge(
	const Ruleset *ruleset, const RulesetChain *base, const RulesetPacket *packet, const char *ignored);

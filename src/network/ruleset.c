// SPDX-License-Identifier: Apache-2.0
#include "network/ruleset.h"

#include <errno.h>
#include <string.h>

#include "base/memory.h"
#include "network/nfnetlink.h"

enum { RULES_MAX = 200000, READ_TRIES = 5 }; /* of all chains */

typedef struct Reading {
	Ruleset *ruleset;
	const char *except_table;
	size_t rules;
	RulesetChain *last; /* that a rule was of: they come in order */
} Reading;

static int keep_attribute(const struct nlattr *attribute, void *arg)
{
	const struct nlattr **attributes = arg;

	if (mnl_attr_get_type(attribute) <= NFTA_CHAIN_MAX)
		attributes[mnl_attr_get_type(attribute)] = attribute;
	return MNL_CB_OK;
}

static const char *text_of(const struct nlattr *attribute)
{
	return attribute && mnl_attr_validate(attribute, MNL_TYPE_NUL_STRING) >= 0 ? mnl_attr_get_str(attribute) : "";
}

static bool is_read(const Reading *reading, int family, const char *table)
{
	if (family != NFPROTO_INET && family != NFPROTO_IPV4 && family != NFPROTO_IPV6)
		return false;
	return family != NFPROTO_INET || strcmp(table, reading->except_table) != 0;
}

/* ---- chains ---- */

static void read_hook(RulesetChain *chain, const struct nlattr *nest)
{
	const struct nlattr *attributes[NFTA_CHAIN_MAX + 1] = {0};

	mnl_attr_parse_nested(nest, keep_attribute, attributes);
	if (!attributes[NFTA_HOOK_HOOKNUM])
		return;
	chain->is_base = true;
	chain->hook = (int)ntohl(mnl_attr_get_u32(attributes[NFTA_HOOK_HOOKNUM]));
}

static void read_chain(void *arg, const struct nlmsghdr *answer)
{
	Reading *reading = arg;
	Ruleset *ruleset = reading->ruleset;
	const struct nfgenmsg *general = mnl_nlmsg_get_payload(answer);
	const struct nlattr *attributes[NFTA_CHAIN_MAX + 1] = {0};
	RulesetChain *chain;

	mnl_attr_parse(answer, sizeof *general, keep_attribute, attributes);
	if (!is_read(reading, general->nfgen_family, text_of(attributes[NFTA_CHAIN_TABLE])))
		return;
	ruleset->chains = mem_array(ruleset->chains, ruleset->count + 1, sizeof *chain);
	chain = &ruleset->chains[ruleset->count++];
	*chain = (RulesetChain){.family = general->nfgen_family, .policy = NF_ACCEPT};
	chain->table = mem_strdup(text_of(attributes[NFTA_CHAIN_TABLE]));
	chain->name = mem_strdup(text_of(attributes[NFTA_CHAIN_NAME]));
	chain->is_nat = strcmp(text_of(attributes[NFTA_CHAIN_TYPE]), "nat") == 0;
	if (attributes[NFTA_CHAIN_HOOK])
		read_hook(chain, attributes[NFTA_CHAIN_HOOK]);
	if (attributes[NFTA_CHAIN_POLICY])
		chain->policy = (int)ntohl(mnl_attr_get_u32(attributes[NFTA_CHAIN_POLICY]));
}

const RulesetChain *ruleset_find(const Ruleset *ruleset, int family, const char *table, const char *name)
{
	for (size_t i = 0; i < ruleset->count; i++) {
		const RulesetChain *chain = &ruleset->chains[i];
		if (chain->family == family && strcmp(chain->table, table) == 0 && strcmp(chain->name, name) == 0)
			return chain;
	}
	return NULL;
}

/* ---- rules ---- */

static RulesetChain *chain_of_rule(Reading *reading, int family, const char *table, const char *name)
{
	const RulesetChain *last = reading->last;

	if (!last || last->family != family || strcmp(last->table, table) != 0 || strcmp(last->name, name) != 0)
		reading->last = (RulesetChain *)ruleset_find(reading->ruleset, family, table, name);
	return reading->last;
}

static void read_rule(void *arg, const struct nlmsghdr *answer)
{
	Reading *reading = arg;
	const struct nfgenmsg *general = mnl_nlmsg_get_payload(answer);
	const struct nlattr *attributes[NFTA_CHAIN_MAX + 1] = {0}, *expressions;
	RulesetChain *chain;

	mnl_attr_parse(answer, sizeof *general, keep_attribute, attributes);
	if (!is_read(reading, general->nfgen_family, text_of(attributes[NFTA_RULE_TABLE])) ||
		reading->rules >= RULES_MAX)
		return;
	chain = chain_of_rule(reading, general->nfgen_family, text_of(attributes[NFTA_RULE_TABLE]),
		text_of(attributes[NFTA_RULE_CHAIN]));
	if (!chain)
		return;
	reading->rules++;
	expressions = attributes[NFTA_RULE_EXPRESSIONS];
	chain->rules = mem_array(chain->rules, chain->count + 1, sizeof *chain->rules);
	chain->rules[chain->count++] = expressions ? (RulesetRule){mem_dup(mnl_attr_get_payload(expressions),
									   mnl_attr_get_payload_len(expressions)),
							     mnl_attr_get_payload_len(expressions)}
						   : (RulesetRule){0};
}

/* ---- all ---- */

static fallible dump(Nfnetlink *netlink, int type, NfnetlinkVisitor *visit, Reading *reading, int *ret_errno)
{
	autoclear(Messages) request = {0};

	messages_add_nft(&request, type, NLM_F_DUMP, NFPROTO_UNSPEC);
	return nfnetlink_ask(netlink, &request, visit, reading, ret_errno);
}

static fallible read_once(Ruleset *ret, Nfnetlink *netlink, const char *except_table, int *ret_errno)
{
	Reading reading = {.ruleset = ret, .except_table = except_table};

	TRY(dump(netlink, NFT_MSG_GETCHAIN, read_chain, &reading, ret_errno));
	if (*ret_errno == 0)
		TRY(dump(netlink, NFT_MSG_GETRULE, read_rule, &reading, ret_errno));
	return NULL;
}

Error *ruleset_read(Ruleset *ret, const char *except_table)
{
	autoptr(Nfnetlink) netlink = NULL;
	autoclear(Ruleset) ruleset = {0};
	int problem = EINTR;

	TRY(nfnetlink_open(&netlink));
	/* It changes under our hands while its owner reloads it; then somebody will tell us to look again. */
	for (int i = 0; i < READ_TRIES && problem == EINTR; i++) {
		ruleset_clear(&ruleset);
		TRY(read_once(&ruleset, netlink, except_table, &problem));
	}
	if (problem && problem != EINTR)
		return error_errno(problem, "could not read the rules of others");
	*ret = ruleset;
	ruleset = (Ruleset){0};
	return NULL;
}

void ruleset_clear(Ruleset *ruleset)
{
	for (size_t i = 0; i < ruleset->count; i++) {
		RulesetChain *chain = &ruleset->chains[i];
		for (size_t j = 0; j < chain->count; j++)
			free(chain->rules[j].expressions);
		free(chain->rules);
		free(chain->table);
		free(chain->name);
	}
	free(ruleset->chains);
	*ruleset = (Ruleset){0};
}

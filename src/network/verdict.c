// SPDX-License-Identifier: Apache-2.0
/* What rules do with a packet of which little is known: expressions of nf_tables, one after the other. */
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "network/nfnetlink.h"
#include "network/ruleset.h"

#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_tables_compat.h>

enum {
	DEPTH_MAX = 16, /* as the kernel has it */
	REGISTERS = 20, /* of four bytes */
	VALUE_MAX = 64,
	STATE_ESTABLISHED = 1 << 1,
	STATE_NEW = 1 << 3
};

/* Registers by their numbers: 1 to 4 are 16 bytes each, 8 to 23 the same bytes by four. */
typedef struct Registers {
	uint8_t bytes[REGISTERS * 4];
	bool is_known[REGISTERS];
} Registers;

typedef enum Step { STEP_ON, STEP_MISS, STEP_ACCEPT, STEP_DROP, STEP_RETURN, STEP_JUMP, STEP_GOTO } Step;

typedef struct Walk {
	const Ruleset *ruleset;
	const RulesetPacket *packet;
	const RulesetChain *base;
	const char *ignored;
	Registers registers;
	char target[128]; /* of a jump */
	RulesetVerdict verdict;
} Walk;

/* ---- attributes ---- */

enum { ATTRIBUTES = 16 };

static int keep_attribute(const struct nlattr *attribute, void *arg)
{
	const struct nlattr **attributes = arg;

	if (mnl_attr_get_type(attribute) < ATTRIBUTES)
		attributes[mnl_attr_get_type(attribute)] = attribute;
	return MNL_CB_OK;
}

static void parse(const struct nlattr **ret, const struct nlattr *nest)
{
	memset(ret, 0, ATTRIBUTES * sizeof *ret);
	if (nest)
		mnl_attr_parse_nested(nest, keep_attribute, ret);
}

static uint32_t number_of(const struct nlattr *attribute)
{
	return attribute && mnl_attr_get_payload_len(attribute) >= sizeof(uint32_t) ? ntohl(mnl_attr_get_u32(attribute))
										    : 0;
}

static const char *text_of(const struct nlattr *attribute)
{
	return attribute && mnl_attr_validate(attribute, MNL_TYPE_NUL_STRING) >= 0 ? mnl_attr_get_str(attribute) : "";
}

/* The bytes of a NFTA_DATA_VALUE; gives how many. */
static size_t value_of(const struct nlattr *nest, uint8_t ret[VALUE_MAX])
{
	const struct nlattr *attributes[ATTRIBUTES];
	size_t length;

	parse(attributes, nest);
	if (!attributes[NFTA_DATA_VALUE])
		return 0;
	length = mnl_attr_get_payload_len(attributes[NFTA_DATA_VALUE]);
	if (length > VALUE_MAX)
		return 0;
	memcpy(ret, mnl_attr_get_payload(attributes[NFTA_DATA_VALUE]), length);
	return length;
}

/* ---- registers ---- */

static size_t slot_of(uint32_t number)
{
	if (number >= NFT_REG_1 && number <= NFT_REG_4)
		return number * 4; /* slots 0 to 3 are the verdict's */
	return number >= NFT_REG32_00 && number <= NFT_REG32_15 ? number - NFT_REG32_00 + 4 : 0;
}

static size_t slots_of(size_t length)
{
	return (length + 3) / 4;
}

static void set_register(Walk *walk, const struct nlattr *number, const void *bytes, size_t length)
{
	size_t slot = slot_of(number_of(number));

	if (slot == 0 || slot + slots_of(length) > REGISTERS)
		return;
	memset(walk->registers.bytes + slot * 4, 0, slots_of(length) * 4);
	if (bytes)
		memcpy(walk->registers.bytes + slot * 4, bytes, length);
	for (size_t i = 0; i < slots_of(length); i++)
		walk->registers.is_known[slot + i] = bytes != NULL;
}

/* NULL: not all of it is known. */
static uint8_t *get_register(Walk *walk, const struct nlattr *number, size_t length)
{
	size_t slot = slot_of(number_of(number));

	if (slot == 0 || length == 0 || slot + slots_of(length) > REGISTERS)
		return NULL;
	for (size_t i = 0; i < slots_of(length); i++)
		if (!walk->registers.is_known[slot + i])
			return NULL;
	return walk->registers.bytes + slot * 4;
}

static void forget_registers(Walk *walk)
{
	memset(walk->registers.is_known, 0, sizeof walk->registers.is_known);
}

/* ---- loading what is known of the packet ---- */

static void load_interface(Walk *walk, const struct nlattr *number, const char *name)
{
	char bytes[IFNAMSIZ] = {0};

	if (name)
		memcpy(bytes, name, strnlen(name, IFNAMSIZ - 1));
	set_register(walk, number, name ? bytes : NULL, sizeof bytes);
}

static void load_index(Walk *walk, const struct nlattr *number, const char *name)
{
	uint32_t index = name ? if_nametoindex(name) : 0;

	set_register(walk, number, name ? &index : NULL, sizeof index);
}

static Step run_meta(Walk *walk, const struct nlattr *const *attributes)
{
	const struct nlattr *to = attributes[NFTA_META_DREG];
	uint8_t family = (uint8_t)walk->packet->family, protocol = IPPROTO_TCP;

	if (!to) /* a mark is set */
		return STEP_ON;
	switch (number_of(attributes[NFTA_META_KEY])) {
	case NFT_META_IIFNAME:
		load_interface(walk, to, walk->packet->in);
		break;
	case NFT_META_OIFNAME:
		load_interface(walk, to, walk->packet->out);
		break;
	case NFT_META_IIF:
		load_index(walk, to, walk->packet->in);
		break;
	case NFT_META_OIF:
		load_index(walk, to, walk->packet->out);
		break;
	case NFT_META_NFPROTO:
		set_register(walk, to, &family, sizeof family);
		break;
	case NFT_META_L4PROTO:
		set_register(walk, to, &protocol, sizeof protocol);
		break;
	default:
		set_register(walk, to, NULL, IFNAMSIZ);
	}
	return STEP_ON;
}

static Step run_ct(Walk *walk, const struct nlattr *const *attributes)
{
	const struct nlattr *to = attributes[NFTA_CT_DREG];
	uint32_t state = walk->packet->is_reply ? STATE_ESTABLISHED : STATE_NEW;
	uint32_t status = walk->packet->is_translated ? IPS_DST_NAT : 0;

	if (!to)
		return STEP_ON;
	switch (number_of(attributes[NFTA_CT_KEY])) {
	case NFT_CT_STATE:
		set_register(walk, to, &state, sizeof state);
		break;
	case NFT_CT_STATUS:
		set_register(walk, to, &status, sizeof status);
		break;
	default:
		set_register(walk, to, NULL, IFNAMSIZ);
	}
	return STEP_ON;
}

/* ---- comparing ---- */

static Step run_bitwise(Walk *walk, const struct nlattr *const *attributes)
{
	uint8_t mask[VALUE_MAX], change[VALUE_MAX] = {0}, result[VALUE_MAX];
	size_t length = number_of(attributes[NFTA_BITWISE_LEN]);
	const uint8_t *from = length <= VALUE_MAX ? get_register(walk, attributes[NFTA_BITWISE_SREG], length) : NULL;

	if (!from || value_of(attributes[NFTA_BITWISE_MASK], mask) != length ||
		value_of(attributes[NFTA_BITWISE_XOR], change) != length) {
		set_register(walk, attributes[NFTA_BITWISE_DREG], NULL, length <= VALUE_MAX ? length : VALUE_MAX);
		return STEP_ON;
	}
	for (size_t i = 0; i < length; i++)
		result[i] = (from[i] & mask[i]) ^ change[i];
	set_register(walk, attributes[NFTA_BITWISE_DREG], result, length);
	return STEP_ON;
}

static bool compares(int result, uint32_t operation)
{
	switch (operation) {
	case NFT_CMP_EQ:
		return result == 0;
	case NFT_CMP_NEQ:
		return result != 0;
	case NFT_CMP_LT:
		return result < 0;
	case NFT_CMP_LTE:
		return result <= 0;
	case NFT_CMP_GT:
		return result > 0;
	default:
		return result >= 0;
	}
}

static Step run_cmp(Walk *walk, const struct nlattr *const *attributes)
{
	uint8_t value[VALUE_MAX];
	size_t length = value_of(attributes[NFTA_CMP_DATA], value);
	const uint8_t *known = get_register(walk, attributes[NFTA_CMP_SREG], length);

	if (!known)
		return STEP_MISS;
	return compares(memcmp(known, value, length), number_of(attributes[NFTA_CMP_OP])) ? STEP_ON : STEP_MISS;
}

/* ---- verdicts ---- */

static Step step_of(Walk *walk, const struct nlattr *nest)
{
	const struct nlattr *data[ATTRIBUTES], *verdict[ATTRIBUTES];

	parse(data, nest);
	parse(verdict, data[NFTA_DATA_VERDICT]);
	snprintf(walk->target, sizeof walk->target, "%s", text_of(verdict[NFTA_VERDICT_CHAIN]));
	switch ((int)number_of(verdict[NFTA_VERDICT_CODE])) {
	case NF_DROP:
		return STEP_DROP;
	case NFT_RETURN:
		return STEP_RETURN;
	case NFT_JUMP:
		return STEP_JUMP;
	case NFT_GOTO:
		return STEP_GOTO;
	case NFT_CONTINUE:
		return STEP_ON;
	default: /* NF_ACCEPT; NF_QUEUE: a program decides, which is not ours to judge */
		return STEP_ACCEPT;
	}
}

static Step run_immediate(Walk *walk, const struct nlattr *const *attributes)
{
	uint8_t value[VALUE_MAX];

	if (number_of(attributes[NFTA_IMMEDIATE_DREG]) == NFT_REG_VERDICT)
		return step_of(walk, attributes[NFTA_IMMEDIATE_DATA]);
	set_register(walk, attributes[NFTA_IMMEDIATE_DREG], value, value_of(attributes[NFTA_IMMEDIATE_DATA], value));
	return STEP_ON;
}

/* ---- sets ---- */

typedef struct Search {
	const uint8_t *key;
	size_t length;
	uint8_t best[VALUE_MAX]; /* sets of intervals: the last bound that is not behind the key */
	bool has_best, is_end;
	struct nlattr *data; /* of that, a copy */
} Search;

static void try_element(Search *search, const struct nlattr *nest)
{
	const struct nlattr *attributes[ATTRIBUTES];
	uint8_t key[VALUE_MAX];

	parse(attributes, nest);
	if (value_of(attributes[NFTA_SET_ELEM_KEY], key) != search->length ||
		memcmp(key, search->key, search->length) > 0 ||
		(search->has_best && memcmp(key, search->best, search->length) < 0))
		return;
	memcpy(search->best, key, search->length);
	search->has_best = true;
	search->is_end = number_of(attributes[NFTA_SET_ELEM_FLAGS]) & NFT_SET_ELEM_INTERVAL_END;
	free(search->data);
	search->data = attributes[NFTA_SET_ELEM_DATA]
			       ? mem_dup(attributes[NFTA_SET_ELEM_DATA], attributes[NFTA_SET_ELEM_DATA]->nla_len)
			       : NULL;
}

static void try_elements(void *arg, const struct nlmsghdr *answer)
{
	const struct nlattr *attribute, *nest;

	mnl_attr_for_each(attribute, answer, sizeof(struct nfgenmsg))
	{
		if (mnl_attr_get_type(attribute) != NFTA_SET_ELEM_LIST_ELEMENTS)
			continue;
		mnl_attr_for_each_nested(nest, attribute) try_element(arg, nest);
	}
}

static void read_flags(void *arg, const struct nlmsghdr *answer)
{
	const struct nlattr *attribute;

	mnl_attr_for_each(
		attribute, answer, sizeof(struct nfgenmsg)) if (mnl_attr_get_type(attribute) == NFTA_SET_FLAGS) *
		(uint32_t *)arg = number_of(attribute);
}

static fallible ask_set(Nfnetlink *netlink, const RulesetChain *chain, const char *set, int type, int flags,
	NfnetlinkVisitor *visit, void *arg, int *ret_errno)
{
	autoclear(Messages) request = {0};
	struct nlmsghdr *message = messages_add_nft(&request, type, flags, chain->family);

	mnl_attr_put_strz(message, NFTA_SET_TABLE, chain->table); /* both questions have them at 1 and 2 */
	mnl_attr_put_strz(message, NFTA_SET_NAME, set);
	return nfnetlink_ask(netlink, &request, visit, arg, ret_errno);
}

/* Whether the key is in the set; a set that has gone meanwhile has nothing. */
static fallible search_set(Search *search, const RulesetChain *chain, const char *set, bool *ret)
{
	autoptr(Nfnetlink) netlink = NULL;
	uint32_t flags = 0;
	int problem;

	TRY(nfnetlink_open(&netlink));
	TRY(ask_set(netlink, chain, set, NFT_MSG_GETSET, 0, read_flags, &flags, &problem));
	if (!problem)
		TRY(ask_set(netlink, chain, set, NFT_MSG_GETSETELEM, NLM_F_DUMP, try_elements, search, &problem));
	*ret = search->has_best && ((flags & (NFT_SET_INTERVAL | NFT_SET_CONCAT)) == NFT_SET_INTERVAL
						   ? !search->is_end
						   : memcmp(search->best, search->key, search->length) == 0);
	return NULL;
}

static size_t key_length(Walk *walk, const struct nlattr *number)
{
	size_t slot = slot_of(number_of(number)), count = 0;

	while (slot && slot + count < REGISTERS && walk->registers.is_known[slot + count])
		count++;
	return count * 4;
}

/* Keys of one field alone: interfaces, states, families. How long it is the register does not say: the elements do. */
static Step run_lookup(Walk *walk, const RulesetChain *chain, const struct nlattr *const *attributes)
{
	static const size_t lengths[] = {2 * IFNAMSIZ, IFNAMSIZ, 4, 1};
	bool is_inverted = number_of(attributes[NFTA_LOOKUP_FLAGS]) & NFT_LOOKUP_F_INV, is_found = false;
	size_t known = key_length(walk, attributes[NFTA_LOOKUP_SREG]);
	Step step = STEP_ON;

	if (!known)
		return STEP_MISS;
	for (size_t i = 0; i < COUNT(lengths) && !is_found; i++) {
		if (lengths[i] > known)
			continue;
		Search search = {
			.key = get_register(walk, attributes[NFTA_LOOKUP_SREG], lengths[i]), .length = lengths[i]};
		Error *error = search_set(&search, chain, text_of(attributes[NFTA_LOOKUP_SET]), &is_found);
		if (is_found && search.data && attributes[NFTA_LOOKUP_DREG] &&
			number_of(attributes[NFTA_LOOKUP_DREG]) == NFT_REG_VERDICT)
			step = step_of(walk, search.data);
		free(search.data);
		error_free(error); /* a set that cannot be read is one that does not match */
	}
	return is_found == is_inverted ? STEP_MISS : step;
}

/* ---- xtables within nf_tables ---- */

static Step run_match(const struct nlattr *const *attributes)
{
	return strcmp(text_of(attributes[NFTA_MATCH_NAME]), "comment") == 0 ? STEP_ON : STEP_MISS;
}

static Step run_target(const struct nlattr *const *attributes)
{
	const char *name = text_of(attributes[NFTA_TARGET_NAME]);

	return strcmp(name, "REJECT") == 0 || strcmp(name, "DROP") == 0 ? STEP_DROP
	       : strcmp(name, "NFQUEUE") == 0                           ? STEP_ACCEPT
									: STEP_ON;
}

/* ---- rules and chains ---- */

static bool is_one_of(const char *name, const char *const *names, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(name, names[i]) == 0)
			return true;
	return false;
}

static Step run_expression(Walk *walk, const RulesetChain *chain, const char *name, const struct nlattr *data)
{
	static const char *const passing[] = {"counter", "log", "notrack", "last", "flow_offload", "dup", "dynset"};
	static const char *const asking[] = {"limit", "quota", "connlimit"};
	const struct nlattr *attributes[ATTRIBUTES];

	parse(attributes, data);
	if (strcmp(name, "immediate") == 0)
		return run_immediate(walk, attributes);
	if (strcmp(name, "meta") == 0)
		return run_meta(walk, attributes);
	if (strcmp(name, "ct") == 0)
		return run_ct(walk, attributes);
	if (strcmp(name, "bitwise") == 0)
		return run_bitwise(walk, attributes);
	if (strcmp(name, "cmp") == 0)
		return run_cmp(walk, attributes);
	if (strcmp(name, "lookup") == 0)
		return run_lookup(walk, chain, attributes);
	if (strcmp(name, "reject") == 0)
		return STEP_DROP;
	if (strcmp(name, "match") == 0)
		return run_match(attributes);
	if (strcmp(name, "target") == 0)
		return run_target(attributes);
	if (is_one_of(name, asking, COUNT(asking)))
		return STEP_MISS;
	if (!is_one_of(name, passing, COUNT(passing)))
		forget_registers(walk); /* it may have loaded something that we do not know */
	return strcmp(name, "range") == 0 ? STEP_MISS : STEP_ON;
}

static Step run_rule(Walk *walk, const RulesetChain *chain, const RulesetRule *rule)
{
	const struct nlattr *attributes[ATTRIBUTES], *attr; /* the name that the macro wants */

	forget_registers(walk);
	mnl_attr_for_each_payload(rule->expressions, rule->length)
	{
		parse(attributes, attr);
		Step step =
			run_expression(walk, chain, text_of(attributes[NFTA_EXPR_NAME]), attributes[NFTA_EXPR_DATA]);
		if (step != STEP_ON)
			return step;
	}
	return STEP_MISS;
}

/* STEP_ACCEPT, STEP_DROP, or STEP_RETURN at its end. */
static Step run_chain(Walk *walk, const RulesetChain *chain, int depth)
{
	for (size_t i = 0; i < chain->count; i++) {
		Step step = run_rule(walk, chain, &chain->rules[i]);
		if (step == STEP_DROP)
			walk->verdict = (RulesetVerdict){true, chain, i + 1};
		if (step == STEP_JUMP || step == STEP_GOTO) {
			const RulesetChain *next =
				ruleset_find(walk->ruleset, chain->family, chain->table, walk->target);
			bool is_goto = step == STEP_GOTO,
			     is_ignored = walk->ignored && strcmp(walk->target, walk->ignored) == 0;
			step = next && depth < DEPTH_MAX && !is_ignored ? run_chain(walk, next, depth + 1) : STEP_MISS;
			if (step == STEP_RETURN && !is_goto)
				step = STEP_MISS;
		}
		if (step != STEP_MISS)
			return step;
	}
	return STEP_RETURN;
}

RulesetVerdict ruleset_judge(
	const Ruleset *ruleset, const RulesetChain *base, const RulesetPacket *packet, const char *ignored)
{
	Walk walk = {.ruleset = ruleset, .packet = packet, .base = base, .ignored = ignored};

	if (run_chain(&walk, base, 0) == STEP_RETURN && base->policy == NF_DROP)
		walk.verdict = (RulesetVerdict){true, base, 0};
	return walk.verdict;
}

/* ---- jumps ---- */

size_t ruleset_find_jump(const RulesetChain *chain, const char *target)
{
	Walk walk = {.packet = &(RulesetPacket){0}};

	for (size_t i = 0; i < chain->count; i++) {
		Step step = run_rule(&walk, chain, &chain->rules[i]);
		if (target ? step == STEP_JUMP && strcmp(walk.target, target) == 0 : step == STEP_RETURN)
			return i + 1;
	}
	return 0;
}

// SPDX-License-Identifier: Apache-2.0
#include "network/elements.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/fault.h"
#include "base/memory.h"
#include "network/firewall_internal.h"
#include "network/sets.h"

struct FirewallBatch {
	Firewall *firewall;
	Messages messages;
};

/* It becomes a part of what nft reads. */
static fallible check_name(const char *name)
{
	size_t length = strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_");

	if (name[length] || length == 0 || length >= TABLE_NAME_MAX || (name[0] >= '0' && name[0] <= '9'))
		return error_hint(error_new(ERROR_INVALID, "\"%s\" cannot be a table's name", name),
			"it has at most %d letters, digits and underscores, and begins with no digit",
			TABLE_NAME_MAX - 1);
	return NULL;
}

Error *firewall_open(Firewall **ret, const char *table)
{
	autoptr(Firewall) firewall = mem_new(Firewall);

	TRY(check_name(table));
	snprintf(firewall->table, sizeof firewall->table, "%s", table);
	TRY(nfnetlink_open(&firewall->netlink));
	*ret = take(firewall);
	return NULL;
}

Firewall *firewall_close(Firewall *firewall)
{
	if (!firewall)
		return NULL;
	nfnetlink_close(firewall->netlink);
	free(firewall);
	return NULL;
}

const char *firewall_table(const Firewall *firewall)
{
	return firewall->table;
}

Error *firewall_has_table(Firewall *firewall, bool *ret)
{
	autoclear(Messages) request = {0};
	struct nlmsghdr *message = messages_add_nft(&request, NFT_MSG_GETTABLE, 0, NFPROTO_INET);
	int problem;

	mnl_attr_put_strz(message, NFTA_TABLE_NAME, firewall->table);
	TRY(nfnetlink_ask(firewall->netlink, &request, NULL, NULL, &problem));
	if (problem && problem != ENOENT)
		return error_errno(problem, "could not look for the table \"%s\"", firewall->table);
	*ret = problem == 0;
	return NULL;
}

/* ---- batches ---- */

FirewallBatch *firewall_batch_new(Firewall *firewall)
{
	FirewallBatch *batch = mem_new(FirewallBatch);

	batch->firewall = firewall;
	return batch;
}

FirewallBatch *firewall_batch_free(FirewallBatch *batch)
{
	if (!batch)
		return NULL;
	messages_clear(&batch->messages);
	free(batch);
	return NULL;
}

static void put_data(struct nlmsghdr *message, uint16_t type, const void *data, size_t length)
{
	struct nlattr *nest = mnl_attr_nest_start(message, type);

	mnl_attr_put(message, NFTA_DATA_VALUE, length, data);
	mnl_attr_nest_end(message, nest);
}

static void put_element(FirewallBatch *batch, const Element *element, bool is_added)
{
	struct nlmsghdr *message = messages_add_nft(&batch->messages,
		is_added ? NFT_MSG_NEWSETELEM : NFT_MSG_DELSETELEM, is_added ? NLM_F_CREATE : 0, NFPROTO_INET);
	size_t key = set_key_length(element->set), value = set_value_length(element->set);
	struct nlattr *list, *nest;

	mnl_attr_put_strz(message, NFTA_SET_ELEM_LIST_TABLE, batch->firewall->table);
	mnl_attr_put_strz(message, NFTA_SET_ELEM_LIST_SET, set_name(element->set));
	list = mnl_attr_nest_start(message, NFTA_SET_ELEM_LIST_ELEMENTS);
	nest = mnl_attr_nest_start(message, NFTA_LIST_ELEM);
	put_data(message, NFTA_SET_ELEM_KEY, element->key, key);
	if (set_is_intervals(element->set))
		put_data(message, NFTA_SET_ELEM_KEY_END, element->key_end, key);
	if (value && is_added)
		put_data(message, NFTA_SET_ELEM_DATA, element->value, value);
	mnl_attr_nest_end(message, nest);
	mnl_attr_nest_end(message, list);
}

static void put_elements(FirewallBatch *batch, const ElementList *list, bool is_added)
{
	for (size_t i = 0; i < list->count; i++)
		put_element(batch, &list->items[i], is_added);
}

static void put_publish(FirewallBatch *batch, const PublishElement *publish, bool is_added)
{
	autoclear(ElementList) list = {0};

	elements_add_publish(&list, publish);
	put_elements(batch, &list, is_added);
}

static void put_network(FirewallBatch *batch, const NetworkElement *network, bool is_added)
{
	autoclear(ElementList) list = {0};

	elements_add_network(&list, network);
	put_elements(batch, &list, is_added);
}

void firewall_add_publish(FirewallBatch *batch, const PublishElement *publish)
{
	put_publish(batch, publish, true);
}

void firewall_remove_publish(FirewallBatch *batch, const PublishElement *publish)
{
	put_publish(batch, publish, false);
}

void firewall_add_network(FirewallBatch *batch, const NetworkElement *network)
{
	put_network(batch, network, true);
}

void firewall_remove_network(FirewallBatch *batch, const NetworkElement *network)
{
	put_network(batch, network, false);
}

/* ---- sending ---- */

/* The kernel says ENOENT for an element and for a table that is not there. */
static fallible outcome_of_absent(Firewall *firewall, FirewallOutcome *ret)
{
	bool is_there;

	TRY(firewall_has_table(firewall, &is_there));
	*ret = is_there ? FIREWALL_ABSENT : FIREWALL_FLUSHED;
	return NULL;
}

static fallible outcome_of(Firewall *firewall, int problem, FirewallOutcome *ret)
{
	if (problem == ENOENT)
		return outcome_of_absent(firewall, ret);
	if (problem && problem != EEXIST && problem != ENOTEMPTY)
		return error_errno(problem, "could not change the firewall table \"%s\"", firewall->table);
	*ret = problem ? FIREWALL_TAKEN : FIREWALL_DONE;
	return NULL;
}

Error *firewall_batch_send(FirewallBatch *batch, FirewallOutcome *ret, int64_t *ret_ns)
{
	int64_t begin = clock_monotonic_ns();
	int problem = 0;

	TRY(fault("network.batch"));
	if (batch->messages.count)
		TRY(nfnetlink_commit(batch->firewall->netlink, &batch->messages, &problem, NULL));
	if (ret_ns)
		*ret_ns = clock_monotonic_ns() - begin;
	return outcome_of(batch->firewall, problem, ret);
}

/* ---- what is there ---- */

typedef struct Dump {
	SetId set;
	ElementList *list;
} Dump;

static int keep_attribute(const struct nlattr *attribute, void *arg)
{
	const struct nlattr **attributes = arg;
	uint16_t type = mnl_attr_get_type(attribute);

	if (type <= NFTA_SET_ELEM_MAX)
		attributes[type] = attribute;
	return MNL_CB_OK;
}

static void copy_data(uint8_t *to, size_t max, const struct nlattr *nest)
{
	const struct nlattr *value = nest ? mnl_attr_get_payload(nest) : NULL;

	if (value && mnl_attr_ok(value, mnl_attr_get_payload_len(nest)) && mnl_attr_get_payload_len(value) <= max)
		memcpy(to, mnl_attr_get_payload(value), mnl_attr_get_payload_len(value));
}

static void dump_element(const Dump *dump, const struct nlattr *nest)
{
	const struct nlattr *attributes[NFTA_SET_ELEM_MAX + 1] = {0};
	Element element = {.set = dump->set};

	mnl_attr_parse_nested(nest, keep_attribute, attributes);
	copy_data(element.key, sizeof element.key, attributes[NFTA_SET_ELEM_KEY]);
	copy_data(element.key_end, sizeof element.key_end, attributes[NFTA_SET_ELEM_KEY_END]);
	copy_data(element.value, sizeof element.value, attributes[NFTA_SET_ELEM_DATA]);
	elements_add(dump->list, &element);
}

static void dump_elements(void *arg, const struct nlmsghdr *answer)
{
	const struct nlattr *attribute, *nest;

	mnl_attr_for_each(attribute, answer, sizeof(struct nfgenmsg))
	{
		if (mnl_attr_get_type(attribute) != NFTA_SET_ELEM_LIST_ELEMENTS)
			continue;
		mnl_attr_for_each_nested(nest, attribute) dump_element(arg, nest);
	}
}

static fallible dump_set(Firewall *firewall, SetId set, ElementList *list, int *ret_errno)
{
	autoclear(Messages) request = {0};
	struct nlmsghdr *message = messages_add_nft(&request, NFT_MSG_GETSETELEM, NLM_F_DUMP, NFPROTO_INET);
	Dump dump = {set, list};

	mnl_attr_put_strz(message, NFTA_SET_ELEM_LIST_TABLE, firewall->table);
	mnl_attr_put_strz(message, NFTA_SET_ELEM_LIST_SET, set_name(set));
	return nfnetlink_ask(firewall->netlink, &request, dump_elements, &dump, ret_errno);
}

static fallible dump_all(Firewall *firewall, ElementList *list, FirewallOutcome *ret)
{
	for (SetId set = 0; set < SETS; set++) {
		int problem;
		TRY(dump_set(firewall, set, list, &problem));
		if (problem == ENOENT) {
			*ret = FIREWALL_FLUSHED;
			return NULL;
		}
		if (problem)
			return error_errno(problem, "could not read the set \"%s\"", set_name(set));
	}
	elements_sort(list);
	*ret = FIREWALL_DONE;
	return NULL;
}

Error *firewall_list(Firewall *firewall, FirewallVisitor *visit, void *arg)
{
	autoclear(ElementList) list = {0};
	FirewallOutcome outcome = FIREWALL_FLUSHED;

	TRY(dump_all(firewall, &list, &outcome));
	for (size_t i = 0; outcome == FIREWALL_DONE && i < list.count; i++) {
		autoclear(Buffer) text = {0};
		element_say(&text, &list.items[i]);
		visit(arg, set_name(list.items[i].set), set_purpose(list.items[i].set), buffer_text(&text));
	}
	return NULL;
}

/* ---- what should be there ---- */

/* What is wrong goes first: a key may be led elsewhere in the same batch. */
static fallible sync_difference(Firewall *firewall, const ElementList *desired, const ElementList *actual,
	FirewallOutcome *ret, size_t *ret_changes)
{
	autoptr(FirewallBatch) batch = firewall_batch_new(firewall);
	autoclear(ElementList) surplus = {0};
	autoclear(ElementList) lacking = {0};

	elements_difference(&surplus, actual, desired);
	elements_difference(&lacking, desired, actual);
	put_elements(batch, &surplus, false);
	put_elements(batch, &lacking, true);
	TRY(firewall_batch_send(batch, ret, NULL));
	if (ret_changes)
		*ret_changes = surplus.count + lacking.count;
	return NULL;
}

Error *firewall_compare(Firewall *firewall, const FirewallState *desired, FirewallOutcome *ret, size_t *ret_changes)
{
	autoclear(ElementList) wanted = {0};
	autoclear(ElementList) actual = {0};
	autoclear(ElementList) surplus = {0};
	autoclear(ElementList) lacking = {0};

	TRY(dump_all(firewall, &actual, ret));
	elements_add_state(&wanted, desired);
	elements_sort(&wanted);
	elements_difference(&surplus, &actual, &wanted);
	elements_difference(&lacking, &wanted, &actual);
	*ret_changes = surplus.count + lacking.count;
	return NULL;
}

Error *firewall_sync(Firewall *firewall, const FirewallState *desired, FirewallOutcome *ret, size_t *ret_changes)
{
	autoclear(ElementList) wanted = {0};
	autoclear(ElementList) actual = {0};
	FirewallOutcome outcome = FIREWALL_FLUSHED;

	TRY(dump_all(firewall, &actual, &outcome));
	if (outcome == FIREWALL_DONE) {
		elements_add_state(&wanted, desired);
		elements_sort(&wanted);
		TRY(sync_difference(firewall, &wanted, &actual, &outcome, ret_changes));
	}
	*ret = outcome;
	return NULL;
}

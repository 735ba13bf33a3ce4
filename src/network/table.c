// SPDX-License-Identifier: Apache-2.0
#include "network/table.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "base/fault.h"
#include "base/memory.h"
#include "base/strings.h"
#include "network/firewall_internal.h"
#include "network/sets.h"
#include "network/tool.h"

/* Everything behind two tabs but "type" is a rule. docs/networking.md follows a packet through it. */
static const char chains[] =
	/* A new connection to one of the host's own addresses. A miss in a map goes on to the next rule. */
	"	chain publish {\n"
	"		meta l4proto != { tcp, udp, sctp } return\n"
	"		dnat ip to ip daddr . meta l4proto . th dport map @published4_at\n"
	"		dnat ip to meta l4proto . th dport map @published4\n"
	"		dnat ip6 to ip6 daddr . meta l4proto . th dport map @published6_at\n"
	"		dnat ip6 to meta l4proto . th dport map @published6\n"
	"	}\n"
	/* route_localnet is on for the bridges: 127.0.0.0/8 stays the host's own, as destination and as source. */
	"	chain loopback {\n"
	"		type filter hook prerouting priority -300; policy accept;\n"
	"		iif 1 accept\n"
	"		ip daddr 127.0.0.0/8 drop\n"
	"		ip saddr 127.0.0.0/8 drop\n"
	"	}\n"
	"	chain arriving {\n"
	"		type nat hook prerouting priority -100; policy accept;\n"
	"		fib daddr type local jump publish\n"
	"	}\n"
	"	chain own {\n"
	"		type nat hook output priority -100; policy accept;\n"
	"		ip6 daddr ::1 meta l4proto . th dport @relay6 accept\n"
	"		fib daddr type local jump publish\n"
	"	}\n"
	/* Loopback addresses do not leave the host; who asks its own network by the host's address must get the answer
	 * the same way back; everybody else keeps its source towards containers. */
	"	chain leaving {\n"
	"		type nat hook postrouting priority 100; policy accept;\n"
	"		ip saddr 127.0.0.0/8 oifname @bridges masquerade\n"
	"		ip6 saddr ::1 oifname @bridges masquerade\n"
	"		ct status dnat ip saddr . ip daddr @hairpin4 masquerade\n"
	"		ct status dnat ip6 saddr . ip6 daddr @hairpin6 masquerade\n"
	"		oifname @bridges accept\n"
	"		snat ip to ip saddr . ip daddr map @source4\n"
	"		snat ip6 to ip6 saddr . ip6 daddr map @source6\n"
	"		ip saddr . ip daddr @masquerade4 masquerade\n"
	"		ip6 saddr . ip6 daddr @masquerade6 masquerade\n"
	"	}\n"
	/* What most packets are is asked first. */
	"	chain forwarded {\n"
	"		type filter hook forward priority 0; policy accept;\n"
	"		ct state established,related accept\n"
	"		iifname @bridges jump bridged\n"
	"		oifname @bridges jump bridged\n"
	"	}\n"
	/* A relayed port is the host's own socket: nothing is forwarded. */
	"	chain entering {\n"
	"		type filter hook input priority 0; policy accept;\n"
	"		iifname @internal ip6 daddr . meta l4proto . th dport @relay6_at drop\n"
	"		iifname @internal meta l4proto . th dport @relay6 drop\n"
	"	}\n"
	/* Internal networks come before published ports, so that they reach none of another network's. */
	"	chain bridged {\n"
	"		ct state invalid drop\n"
	"		iifname . oifname @same accept\n"
	"		iifname @internal drop\n"
	"		oifname @internal drop\n"
	"		ct status dnat oifname @bridges accept\n"
	"		ip daddr . meta l4proto . th dport @open4 accept\n"
	"		ip6 daddr . meta l4proto . th dport @open6 accept\n"
	"		meta l4proto { icmp, icmpv6 } oifname . meta nfproto @routed accept\n"
	"		iifname != @bridges oifname . meta nfproto @unprotected accept\n"
	"		oifname @bridges drop\n"
	"	}\n";

/* ---- the text ---- */

static void declare_sets(Buffer *out)
{
	for (SetId set = 0; set < SETS; set++) {
		buffer_add_char(out, '\t');
		set_declare(out, set);
		buffer_add_char(out, '\n');
	}
}

/* What tells our versions apart: a hash (FNV-1a) of everything but the elements. */
static char *make_comment(void)
{
	autoclear(Buffer) text = {0};
	uint64_t hash = UINT64_C(0xcbf29ce484222325);

	declare_sets(&text);
	buffer_add_text(&text, chains);
	for (size_t i = 0; i < text.length; i++)
		hash = (hash ^ (uint8_t)text.data[i]) * UINT64_C(0x100000001b3);
	return string_printf("kedge %016" PRIx64, hash);
}

static void add_elements(Buffer *out, const char *name, const ElementList *list)
{
	for (size_t i = 0; i < list->count; i++) {
		bool is_first = i == 0 || list->items[i - 1].set != list->items[i].set;
		if (is_first)
			buffer_printf(out, "add element inet %s %s { ", name, set_name(list->items[i].set));
		element_print(out, &list->items[i]);
		bool is_last = i + 1 == list->count || list->items[i + 1].set != list->items[i].set;
		buffer_add_text(out, is_last ? " }\n" : ", ");
	}
}

char *firewall_text(const char *name, const FirewallState *state)
{
	autoclear(Buffer) out = {0};
	autoclear(ElementList) list = {0};
	autofree char *comment = make_comment();

	/* To have one that can be deleted. */
	buffer_printf(&out, "add table inet %s\ndelete table inet %s\n", name, name);
	buffer_printf(&out, "table inet %s {\n\tcomment \"%s\"\n", name, comment);
	declare_sets(&out);
	buffer_add_text(&out, chains);
	buffer_add_text(&out, "}\n");
	elements_add_state(&list, state);
	elements_sort(&list);
	add_elements(&out, name, &list);
	return buffer_steal(&out);
}

/* ---- looking ---- */

static size_t count_rules_of_text(void)
{
	size_t count = 0;

	for (const char *at = chains; (at = strstr(at, "\n\t\t")); at += 3)
		count += strncmp(at + 3, "type ", 5) != 0;
	return count;
}

/* Attributes of nf_tables: a comment is type 0 in a list of {type, length, bytes}. */
static void read_comment(const struct nlattr *attribute, char *ret, size_t size)
{
	const uint8_t *at = mnl_attr_get_payload(attribute);
	size_t length = mnl_attr_get_payload_len(attribute);

	if (length > 2 && at[0] == 0 && (size_t)at[1] + 2 <= length && at[1] <= size)
		snprintf(ret, size, "%.*s", (int)at[1], (const char *)at + 2);
}

typedef struct Look {
	char comment[64];
	size_t rules;
} Look;

static void look_at_table(void *arg, const struct nlmsghdr *answer)
{
	Look *look = arg;
	const struct nlattr *attribute;

	mnl_attr_for_each(
		attribute, answer, sizeof(struct nfgenmsg)) if (mnl_attr_get_type(attribute) == NFTA_TABLE_USERDATA)
		read_comment(attribute, look->comment, sizeof look->comment);
}

static void look_at_rule(void *arg, const struct nlmsghdr *answer)
{
	Look *look = arg;

	(void)answer;
	look->rules++;
}

static fallible ask_about(
	Firewall *firewall, int type, int flags, uint16_t name, NfnetlinkVisitor *visit, Look *look, int *ret_errno)
{
	autoclear(Messages) request = {0};
	struct nlmsghdr *message = messages_add_nft(&request, type, flags, NFPROTO_INET);

	mnl_attr_put_strz(message, name, firewall->table);
	return nfnetlink_ask(firewall->netlink, &request, visit, look, ret_errno);
}

Error *firewall_look(Firewall *firewall, FirewallCondition *ret)
{
	autofree char *comment = make_comment();
	Look look = {.rules = 0};
	int problem;

	TRY(ask_about(firewall, NFT_MSG_GETTABLE, 0, NFTA_TABLE_NAME, look_at_table, &look, &problem));
	if (problem == 0)
		TRY(ask_about(firewall, NFT_MSG_GETRULE, NLM_F_DUMP, NFTA_RULE_TABLE, look_at_rule, &look, &problem));
	if (problem && problem != ENOENT && problem != EINTR)
		return error_errno(problem, "could not read the table \"%s\"", firewall->table);
	bool is_ours = !problem && strcmp(look.comment, comment) == 0 && look.rules == count_rules_of_text();
	*ret = problem == ENOENT ? FIREWALL_MISSING : is_ours ? FIREWALL_WHOLE : FIREWALL_DIFFERS;
	return NULL;
}

/* ---- loading ---- */

struct FirewallLoad {
	Tool *nft;
	FirewallLoadHandler *handler;
	void *arg;
};

static void on_loaded(void *arg, Error *take_error, const char *output)
{
	FirewallLoad *load = arg;

	(void)output;
	load->handler(load->arg, take_error ? error_wrap(take_error, "could not load the firewall table") : NULL);
}

Error *firewall_load(FirewallLoad **ret, Loop *loop, const char *name, const FirewallState *state,
	FirewallLoadHandler *handler, void *arg)
{
	static const char *const argv[] = {"nft", "-f", "-", NULL};
	autoptr(FirewallLoad) load = mem_new(FirewallLoad);
	autofree char *text = firewall_text(name, state);

	load->handler = handler;
	load->arg = arg;
	TRY(fault("network.table"));
	TRY_WRAP(tool_start(&load->nft, loop, argv, text, on_loaded, load), "could not load the firewall table");
	*ret = take(load);
	return NULL;
}

FirewallLoad *firewall_load_free(FirewallLoad *load)
{
	if (!load)
		return NULL;
	tool_free(load->nft);
	free(load);
	return NULL;
}

/* ---- removing ---- */

Error *firewall_remove(Firewall *firewall)
{
	autoclear(Messages) transaction = {0};
	struct nlmsghdr *message = messages_add_nft(&transaction, NFT_MSG_DELTABLE, 0, NFPROTO_INET);
	int problem;

	mnl_attr_put_strz(message, NFTA_TABLE_NAME, firewall->table);
	TRY(nfnetlink_commit(firewall->netlink, &transaction, &problem, NULL));
	if (problem && problem != ENOENT)
		return error_errno(problem, "could not remove the table \"%s\"", firewall->table);
	return NULL;
}

// SPDX-License-Identifier: Apache-2.0
#include "network/foreign.h"

#include <fcntl.h>
#include <linux/netfilter.h>
#include <stdio.h>
#include <string.h>

#include "base/buffer.h"
#include "base/files.h"
#include "base/memory.h"

enum { ROUTES_MAX = 1024 * 1024 };

const char *const foreign_manager_names[MANAGERS] = {
	[MANAGER_OWNER] = "nft", [MANAGER_IPTABLES] = "iptables", [MANAGER_FIREWALLD] = "firewalld"};

/* ---- the way out of the host: an interface's name where there is a default route ---- */

/* Lines of /proc/net/route and ipv6_route: the interface is in column name, the destination in column where. */
static void find_uplink(char ret[IFNAMSIZ], const char *path, size_t name, size_t where, const char *destination)
{
	autofree char *text = NULL;
	autoclear(StringList) lines = {0};
	Error *error = file_read(&text, NULL, AT_FDCWD, path, ROUTES_MAX);

	ret[0] = '\0';
	if (error) {
		error_free(error); /* no such family, no way out */
		return;
	}
	strings_split(&lines, text, '\n');
	for (size_t i = 0; i < lines.count && !ret[0]; i++) {
		autoclear(StringList) words = {0};
		for (char *save = NULL, *word = strtok_r(lines.items[i], " \t", &save); word;
			word = strtok_r(NULL, " \t", &save))
			strings_add(&words, word);
		if (words.count > name && words.count > where + 1 && strcmp(words.items[where], destination) == 0 &&
			strcmp(words.items[name], "lo") != 0)
			snprintf(ret, IFNAMSIZ, "%s", words.items[name]);
	}
}

typedef struct Uplinks {
	char v4[IFNAMSIZ], v6[IFNAMSIZ];
} Uplinks;

static void find_uplinks(Uplinks *ret)
{
	find_uplink(ret->v4, "/proc/net/route", 0, 1, "00000000");
	find_uplink(ret->v6, "/proc/net/ipv6_route", 9, 0, "00000000000000000000000000000000");
}

/* ---- one chain ---- */

typedef struct Look {
	ForeignReport *report;
	const Ruleset *ruleset;
	const FirewallState *networks;
	const char *ignored;
	Uplinks uplinks;
	const RulesetChain *chain;
	ForeignDrop *drop; /* of the chain; NULL while there is none */
} Look;

static ForeignManager manager_of(const RulesetChain *chain)
{
	bool is_builtin = strcmp(chain->name, "FORWARD") == 0 || strcmp(chain->name, "INPUT") == 0;

	if (strcmp(chain->table, "firewalld") == 0)
		return MANAGER_FIREWALLD;
	return chain->family != NFPROTO_INET && strcmp(chain->table, "filter") == 0 && is_builtin ? MANAGER_IPTABLES
												  : MANAGER_OWNER;
}

static char *reason_of(const RulesetVerdict *verdict, const RulesetChain *base)
{
	if (verdict->rule == 0)
		return mem_strdup("its policy is drop");
	if (verdict->chain == base)
		return string_printf("its rule %zu drops", verdict->rule);
	return string_printf("rule %zu of chain \"%s\" drops", verdict->rule, verdict->chain->name);
}

static ForeignDrop *drop_of_chain(Look *look, const RulesetVerdict *verdict)
{
	static const char *const families[] = {[NFPROTO_INET] = "inet", [NFPROTO_IPV4] = "ip", [NFPROTO_IPV6] = "ip6"};
	ForeignReport *report = look->report;
	const RulesetChain *chain = look->chain;

	if (look->drop)
		return look->drop;
	report->drops = mem_array(report->drops, report->count + 1, sizeof *report->drops);
	look->drop = &report->drops[report->count++];
	*look->drop = (ForeignDrop){.family = families[chain->family],
		.table = mem_strdup(chain->table),
		.chain = mem_strdup(chain->name),
		.hook = chain->hook == NF_INET_FORWARD ? "forward" : "input",
		.manager = manager_of(chain),
		.reason = reason_of(verdict, chain)};
	return look->drop;
}

static bool is_dropped(Look *look, const NetworkElement *network, ForeignWay way, const RulesetPacket *packet)
{
	RulesetVerdict verdict = ruleset_judge(look->ruleset, look->chain, packet, look->ignored);
	ForeignDrop *drop;

	if (!verdict.is_drop)
		return false;
	drop = drop_of_chain(look, &verdict);
	drop->ways[way] = true;
	if (!strings_has(&drop->bridges, network->bridge))
		strings_add(&drop->bridges, network->bridge);
	return true;
}

/* ---- the packets of a network ---- */

static void try_forward(Look *look, const NetworkElement *network, int family)
{
	GatewayMode mode = family == NFPROTO_IPV6 ? network->mode6 : network->mode4;
	const char *uplink = family == NFPROTO_IPV6 ? look->uplinks.v6 : look->uplinks.v4;
	RulesetPacket out = {.family = family, .in = network->bridge, .out = *uplink ? uplink : NULL};
	RulesetPacket in = {.family = family, .in = *uplink ? uplink : NULL, .out = network->bridge};

	if (network->is_internal)
		return;
	(void)is_dropped(look, network, WAY_OUT, &out);
	in.is_reply = out.is_reply = true;
	if (is_dropped(look, network, WAY_OUT, &in))
		look->drop->drops_replies = true;
	if (is_dropped(look, network, WAY_IN, &out))
		look->drop->drops_answers = true;
	in.is_reply = false;
	in.is_translated = mode == GATEWAY_NAT;
	if (is_dropped(look, network, WAY_IN, &in) && mode != GATEWAY_NAT)
		look->drop->is_open_wide = true;
}

static void try_input(Look *look, const NetworkElement *network, int family)
{
	(void)is_dropped(look, network, WAY_HOST, &(RulesetPacket){.family = family, .in = network->bridge, .out = ""});
}

static void try_network(Look *look, const NetworkElement *network, int family)
{
	bool has_family = false;

	if (look->chain->family != NFPROTO_INET && look->chain->family != family)
		return;
	for (size_t i = 0; i < network->subnet_count; i++)
		has_family |= network->subnets[i].address.family == (family == NFPROTO_IPV6 ? AF_INET6 : AF_INET);
	if (!has_family)
		return;
	if (look->chain->hook == NF_INET_FORWARD)
		try_forward(look, network, family);
	else
		try_input(look, network, family);
}

/* ---- what opens the way ---- */

static char *bridge_set(const ForeignDrop *drop)
{
	autofree char *joined = strings_join(&drop->bridges, "\", \"");

	return string_printf("{ \"%s\" }", joined);
}

static void add_nft_line(ForeignDrop *drop, const char *match)
{
	strings_printf(&drop->lines, "nft 'insert rule %s %s %s %s accept comment \"kedge\"'", drop->family,
		drop->table, drop->chain, match);
}

static void add_nft_lines(ForeignDrop *drop)
{
	autofree char *set = bridge_set(drop);
	autofree char *from = string_printf("iifname %s", set);
	autofree char *to = string_printf("oifname %s", set);
	autofree char *led = string_printf("oifname %s ct status dnat", set);
	autofree char *replies = string_printf("oifname %s ct state established,related", set);

	if (drop->ways[WAY_OUT] || drop->drops_answers || drop->ways[WAY_HOST])
		add_nft_line(drop, from);
	if (drop->is_open_wide) {
		add_nft_line(drop, to); /* kedge's own table drops what is not published */
		return;
	}
	if (drop->ways[WAY_IN])
		add_nft_line(drop, led);
	if (drop->drops_replies)
		add_nft_line(drop, replies);
}

static void add_iptables_lines(ForeignDrop *drop)
{
	const char *program = strcmp(drop->family, "ip6") == 0 ? "ip6tables" : "iptables";

	for (size_t i = 0; i < drop->bridges.count; i++) {
		strings_printf(&drop->lines, "%s -I %s -i %s -j ACCEPT", program, drop->chain, drop->bridges.items[i]);
		if (!drop->ways[WAY_HOST])
			strings_printf(
				&drop->lines, "%s -I %s -o %s -j ACCEPT", program, drop->chain, drop->bridges.items[i]);
	}
}

static void add_firewalld_lines(ForeignDrop *drop)
{
	for (size_t i = 0; i < drop->bridges.count; i++)
		strings_printf(
			&drop->lines, "firewall-cmd --zone=trusted --change-interface=%s", drop->bridges.items[i]);
}

static void add_lines(ForeignDrop *drop)
{
	static void (*const writers[MANAGERS])(ForeignDrop *) = {[MANAGER_OWNER] = add_nft_lines,
		[MANAGER_IPTABLES] = add_iptables_lines,
		[MANAGER_FIREWALLD] = add_firewalld_lines};

	writers[drop->manager](drop);
}

/* ---- looking ---- */

static void look_at_chain(Look *look, const RulesetChain *chain)
{
	if (!chain->is_base || chain->is_nat || (chain->hook != NF_INET_FORWARD && chain->hook != NF_INET_LOCAL_IN))
		return;
	look->chain = chain;
	look->drop = NULL;
	for (size_t i = 0; i < look->networks->network_count; i++) {
		try_network(look, &look->networks->networks[i], NFPROTO_IPV4);
		try_network(look, &look->networks->networks[i], NFPROTO_IPV6);
	}
	if (look->drop)
		add_lines(look->drop);
}

void foreign_judge(ForeignReport *ret, const Ruleset *ruleset, const FirewallState *networks, const char *ignored)
{
	Look look = {.report = ret, .ruleset = ruleset, .networks = networks, .ignored = ignored};

	find_uplinks(&look.uplinks);
	for (size_t i = 0; i < ruleset->count; i++)
		look_at_chain(&look, &ruleset->chains[i]);
}

Error *foreign_look(ForeignReport *ret, const Firewall *ours, const FirewallState *networks)
{
	autoclear(Ruleset) ruleset = {0};

	TRY(ruleset_read(&ruleset, firewall_table(ours)));
	*ret = (ForeignReport){0};
	foreign_judge(ret, &ruleset, networks, NULL);
	return NULL;
}

/* ---- words ---- */

char *foreign_drop_words(const ForeignDrop *drop)
{
	static const char *const words[WAYS] = {[WAY_OUT] = "what leaves",
		[WAY_IN] = "what comes in to published ports of",
		[WAY_HOST] = "what goes to the host itself from"};
	autofree char *bridges = strings_join(&drop->bridges, ", ");
	autoclear(Buffer) out = {0};

	buffer_printf(&out, "table \"%s %s\", chain \"%s\" drops ", drop->family, drop->table, drop->chain);
	for (ForeignWay way = 0, count = 0; way < WAYS; way++)
		if (drop->ways[way])
			buffer_printf(&out, "%s%s", count++ ? " and " : "", words[way]);
	buffer_printf(&out, " %s: %s", bridges, drop->reason);
	return buffer_steal(&out);
}

char *foreign_drop_warning(const ForeignDrop *drop)
{
	autofree char *words = foreign_drop_words(drop);

	if (!drop->ways[WAY_OUT] && !drop->ways[WAY_IN])
		return NULL;
	return string_printf("firewall: %s; \"kedge system firewall\" prints what opens the way", words);
}

void foreign_report_clear(ForeignReport *report)
{
	for (size_t i = 0; i < report->count; i++) {
		ForeignDrop *drop = &report->drops[i];
		free(drop->table);
		free(drop->chain);
		free(drop->reason);
		strings_clear(&drop->bridges);
		strings_clear(&drop->lines);
	}
	free(report->drops);
	strings_clear(&report->opened);
	*report = (ForeignReport){0};
}

// SPDX-License-Identifier: Apache-2.0
#include "network/inner.h"

#include <arpa/inet.h>
#include <linux/netfilter_ipv4.h>
#include <string.h>

#include "network/nfnetlink.h"

static const char table_name[] = "kedge_names";
static const char chain_name[] = "output";

enum { PRIORITY_RAW = -300, NAME_PORT = 53, NAME_SERVER = 0x7f00000b /* 127.0.0.11 */ };

/* Where things are: in the IPv4 header, and in those of UDP and TCP. */
enum {
	IP_SOURCE = 12,
	IP_DESTINATION = 16,
	SOURCE_PORT = 0,
	DESTINATION_PORT = 2,
	UDP_CHECKSUM = 6,
	TCP_CHECKSUM = 16
};

typedef struct Rewrite {
	int protocol;
	uint32_t address_at; /* the name server's */
	uint32_t port_at;
	uint16_t from, to;
} Rewrite;

/* ---- expressions ---- */

typedef struct Expression {
	struct nlmsghdr *message;
	struct nlattr *element, *data;
} Expression;

static Expression begin_expression(struct nlmsghdr *message, const char *name)
{
	Expression expression = {.message = message};

	expression.element = mnl_attr_nest_start(message, NFTA_LIST_ELEM);
	mnl_attr_put_strz(message, NFTA_EXPR_NAME, name);
	expression.data = mnl_attr_nest_start(message, NFTA_EXPR_DATA);
	return expression;
}

static void end_expression(const Expression *expression)
{
	mnl_attr_nest_end(expression->message, expression->data);
	mnl_attr_nest_end(expression->message, expression->element);
}

static void put_u32(struct nlmsghdr *message, uint16_t type, uint32_t value)
{
	mnl_attr_put_u32(message, type, htonl(value));
}

static void put_value(struct nlmsghdr *message, uint16_t type, const void *value, size_t length)
{
	struct nlattr *nest = mnl_attr_nest_start(message, type);

	mnl_attr_put(message, NFTA_DATA_VALUE, length, value);
	mnl_attr_nest_end(message, nest);
}

static void load_payload(struct nlmsghdr *message, uint32_t base, uint32_t offset, uint32_t length)
{
	Expression expression = begin_expression(message, "payload");

	put_u32(message, NFTA_PAYLOAD_DREG, NFT_REG_1);
	put_u32(message, NFTA_PAYLOAD_BASE, base);
	put_u32(message, NFTA_PAYLOAD_OFFSET, offset);
	put_u32(message, NFTA_PAYLOAD_LEN, length);
	end_expression(&expression);
}

static void load_protocol(struct nlmsghdr *message)
{
	Expression expression = begin_expression(message, "meta");

	put_u32(message, NFTA_META_DREG, NFT_REG_1);
	put_u32(message, NFTA_META_KEY, NFT_META_L4PROTO);
	end_expression(&expression);
}

static void want_equal(struct nlmsghdr *message, const void *value, size_t length)
{
	Expression expression = begin_expression(message, "cmp");

	put_u32(message, NFTA_CMP_SREG, NFT_REG_1);
	put_u32(message, NFTA_CMP_OP, NFT_CMP_EQ);
	put_value(message, NFTA_CMP_DATA, value, length);
	end_expression(&expression);
}

static void load_value(struct nlmsghdr *message, const void *value, size_t length)
{
	Expression expression = begin_expression(message, "immediate");

	put_u32(message, NFTA_IMMEDIATE_DREG, NFT_REG_1);
	put_value(message, NFTA_IMMEDIATE_DATA, value, length);
	end_expression(&expression);
}

static void store_port(struct nlmsghdr *message, uint32_t offset, uint32_t checksum_at)
{
	Expression expression = begin_expression(message, "payload");

	put_u32(message, NFTA_PAYLOAD_SREG, NFT_REG_1);
	put_u32(message, NFTA_PAYLOAD_BASE, NFT_PAYLOAD_TRANSPORT_HEADER);
	put_u32(message, NFTA_PAYLOAD_OFFSET, offset);
	put_u32(message, NFTA_PAYLOAD_LEN, sizeof(uint16_t));
	put_u32(message, NFTA_PAYLOAD_CSUM_TYPE, NFT_PAYLOAD_CSUM_INET);
	put_u32(message, NFTA_PAYLOAD_CSUM_OFFSET, checksum_at);
	end_expression(&expression);
}

/* ---- table, chain, rules ---- */

static void add_table(Messages *messages)
{
	struct nlmsghdr *message = messages_add_nft(messages, NFT_MSG_NEWTABLE, NLM_F_CREATE, NFPROTO_IPV4);

	mnl_attr_put_strz(message, NFTA_TABLE_NAME, table_name);
}

static void add_chain(Messages *messages)
{
	struct nlmsghdr *message = messages_add_nft(messages, NFT_MSG_NEWCHAIN, NLM_F_CREATE, NFPROTO_IPV4);
	struct nlattr *hook;

	mnl_attr_put_strz(message, NFTA_CHAIN_TABLE, table_name);
	mnl_attr_put_strz(message, NFTA_CHAIN_NAME, chain_name);
	hook = mnl_attr_nest_start(message, NFTA_CHAIN_HOOK);
	put_u32(message, NFTA_HOOK_HOOKNUM, NF_INET_LOCAL_OUT);
	put_u32(message, NFTA_HOOK_PRIORITY, (uint32_t)PRIORITY_RAW);
	mnl_attr_nest_end(message, hook);
	mnl_attr_put_strz(message, NFTA_CHAIN_TYPE, "filter");
}

static struct nlmsghdr *rule_message(Messages *messages, int type, int flags)
{
	struct nlmsghdr *message = messages_add_nft(messages, type, flags, NFPROTO_IPV4);

	mnl_attr_put_strz(message, NFTA_RULE_TABLE, table_name);
	mnl_attr_put_strz(message, NFTA_RULE_CHAIN, chain_name);
	return message;
}

static void add_rewrite(Messages *messages, const Rewrite *rewrite)
{
	struct nlmsghdr *message = rule_message(messages, NFT_MSG_NEWRULE, NLM_F_CREATE | NLM_F_APPEND);
	struct nlattr *expressions = mnl_attr_nest_start(message, NFTA_RULE_EXPRESSIONS);
	uint32_t server = htonl(NAME_SERVER);
	uint8_t protocol = (uint8_t)rewrite->protocol;
	uint16_t from = htons(rewrite->from), to = htons(rewrite->to);

	load_payload(message, NFT_PAYLOAD_NETWORK_HEADER, rewrite->address_at, sizeof server);
	want_equal(message, &server, sizeof server);
	load_protocol(message);
	want_equal(message, &protocol, sizeof protocol);
	load_payload(message, NFT_PAYLOAD_TRANSPORT_HEADER, rewrite->port_at, sizeof from);
	want_equal(message, &from, sizeof from);
	load_value(message, &to, sizeof to);
	store_port(message, rewrite->port_at, rewrite->protocol == IPPROTO_UDP ? UDP_CHECKSUM : TCP_CHECKSUM);
	mnl_attr_nest_end(message, expressions);
}

Error *inner_table_make(uint16_t udp_port, uint16_t tcp_port)
{
	const Rewrite rewrites[] = {
		{IPPROTO_UDP, IP_DESTINATION, DESTINATION_PORT, NAME_PORT, udp_port},
		{IPPROTO_UDP, IP_SOURCE, SOURCE_PORT, udp_port, NAME_PORT},
		{IPPROTO_TCP, IP_DESTINATION, DESTINATION_PORT, NAME_PORT, tcp_port},
		{IPPROTO_TCP, IP_SOURCE, SOURCE_PORT, tcp_port, NAME_PORT},
	};
	autoptr(Nfnetlink) netlink = NULL;
	autoclear(Messages) messages = {0};
	int problem;

	TRY(nfnetlink_open(&netlink));
	add_table(&messages);
	add_chain(&messages);
	rule_message(&messages, NFT_MSG_DELRULE, 0); /* all that there are */
	for (size_t i = 0; i < sizeof rewrites / sizeof rewrites[0]; i++)
		add_rewrite(&messages, &rewrites[i]);
	TRY(nfnetlink_commit(netlink, &messages, &problem, NULL));
	return problem ? error_errno(problem, "could not lead names to the name server") : NULL;
}

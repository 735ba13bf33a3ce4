// SPDX-License-Identifier: Apache-2.0
#include "network/watch.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/memory.h"
#include "network/firewall_internal.h"

#define DAMAGE_PAUSE (2 * NANOS_PER_MILLI)   /* a flush is many events */
#define OTHERS_PAUSE (200 * NANOS_PER_MILLI) /* a reload is many transactions */

enum { RECEIVE_ROOM = 4 * 1024 * 1024, PACKET_MAX = 64 * 1024, PACKETS_A_TURN = 64 };

struct RulesetWatch {
	struct mnl_socket *socket;
	const Firewall *ours;
	Source *source, *damage, *others;
	bool is_damaged, are_others_changed; /* a timer runs */
	const RulesetHandlers *handlers;
	void *arg;
	char *packet; /* PACKET_MAX */
};

static void on_damage(void *arg)
{
	RulesetWatch *watch = arg;

	watch->is_damaged = false;
	watch->handlers->damaged(watch->arg);
}

static void on_others(void *arg)
{
	RulesetWatch *watch = arg;

	watch->are_others_changed = false;
	if (watch->handlers->others_changed)
		watch->handlers->others_changed(watch->arg);
}

/* The first of many events sets the time, so that a stream of them delays nothing for ever. */
static void note_damage(RulesetWatch *watch)
{
	if (!watch->is_damaged)
		source_rearm(watch->damage, DAMAGE_PAUSE);
	watch->is_damaged = true;
}

static void note_others(RulesetWatch *watch)
{
	if (!watch->are_others_changed)
		source_rearm(watch->others, OTHERS_PAUSE);
	watch->are_others_changed = true;
}

/* Every message of nf_tables has the table's name in attribute 1, but that of a new generation. */
static const char *table_of(const struct nlmsghdr *message)
{
	const struct nlattr *attribute;

	mnl_attr_for_each(attribute, message, sizeof(struct nfgenmsg))
	{
		if (mnl_attr_get_type(attribute) == NFTA_TABLE_NAME &&
			mnl_attr_validate(attribute, MNL_TYPE_NUL_STRING) >= 0)
			return mnl_attr_get_str(attribute);
	}
	return "";
}

static bool is_about_us(const RulesetWatch *watch, const struct nlmsghdr *message)
{
	const struct nfgenmsg *general = mnl_nlmsg_get_payload(message);

	return general->nfgen_family == NFPROTO_INET && strcmp(table_of(message), watch->ours->table) == 0;
}

/* Elements of others' sets come and go all the time, and are seldom what decides about our packets. */
static bool may_change_verdicts(int type)
{
	switch (type) {
	case NFT_MSG_NEWTABLE:
	case NFT_MSG_DELTABLE:
	case NFT_MSG_NEWCHAIN:
	case NFT_MSG_DELCHAIN:
	case NFT_MSG_NEWRULE:
	case NFT_MSG_DELRULE:
		return true;
	default:
		return false;
	}
}

static void on_message(RulesetWatch *watch, const struct nlmsghdr *message)
{
	int type = NFNL_MSG_TYPE(message->nlmsg_type);

	if (NFNL_SUBSYS_ID(message->nlmsg_type) != NFNL_SUBSYS_NFTABLES || type == NFT_MSG_NEWGEN)
		return;
	if (message->nlmsg_len < mnl_nlmsg_size(sizeof(struct nfgenmsg)) ||
		message->nlmsg_pid == nfnetlink_port(watch->ours->netlink))
		return;
	if (is_about_us(watch, message))
		note_damage(watch);
	else if (may_change_verdicts(type))
		note_others(watch);
}

static bool read_packet(RulesetWatch *watch)
{
	ssize_t got = recv(mnl_socket_get_fd(watch->socket), watch->packet, PACKET_MAX, 0);
	int left = (int)got;

	if (got < 0 && errno == ENOBUFS) { /* events were lost: any may have been among them */
		note_damage(watch);
		note_others(watch);
		return true;
	}
	if (got < 0)
		return errno == EINTR;
	for (struct nlmsghdr *message = (struct nlmsghdr *)(void *)watch->packet; mnl_nlmsg_ok(message, left);
		message = mnl_nlmsg_next(message, &left))
		on_message(watch, message);
	return true;
}

static void on_readable(void *arg, int fd, unsigned events)
{
	RulesetWatch *watch = arg;

	(void)fd;
	(void)events;
	for (int i = 0; i < PACKETS_A_TURN && read_packet(watch); i++)
		;
}

static fallible open_socket(RulesetWatch *watch)
{
	int group = NFNLGRP_NFTABLES, room = RECEIVE_ROOM;

	watch->socket = mnl_socket_open2(NETLINK_NETFILTER, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (!watch->socket)
		return error_errno(errno, "could not open a socket to netfilter");
	/* A smaller buffer only makes it likelier that we have to look at everything. */
	(void)setsockopt(mnl_socket_get_fd(watch->socket), SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof room);
	if (mnl_socket_bind(watch->socket, 0, MNL_SOCKET_AUTOPID) < 0 ||
		mnl_socket_setsockopt(watch->socket, NETLINK_ADD_MEMBERSHIP, &group, sizeof group) < 0)
		return error_errno(errno, "could not watch the ruleset");
	return NULL;
}

Error *ruleset_watch_open(
	RulesetWatch **ret, Loop *loop, const Firewall *ours, const RulesetHandlers *handlers, void *arg)
{
	autoptr(RulesetWatch) watch = mem_new(RulesetWatch);

	*watch = (RulesetWatch){.ours = ours, .handlers = handlers, .arg = arg, .packet = mem_alloc(PACKET_MAX)};
	TRY(open_socket(watch));
	TRY(loop_watch(&watch->source, loop, mnl_socket_get_fd(watch->socket), LOOP_READ, on_readable, watch));
	TRY(loop_timer(&watch->damage, loop, -1, on_damage, watch));
	TRY(loop_timer(&watch->others, loop, -1, on_others, watch));
	*ret = take(watch);
	return NULL;
}

RulesetWatch *ruleset_watch_close(RulesetWatch *watch)
{
	if (!watch)
		return NULL;
	source_free(watch->source);
	source_free(watch->damage);
	source_free(watch->others);
	if (watch->socket)
		mnl_socket_close(watch->socket);
	free(watch->packet);
	free(watch);
	return NULL;
}

// SPDX-License-Identifier: Apache-2.0
#include "network/nfnetlink.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "base/memory.h"

enum {
	ANSWER_MAX = 64 * 1024,
	SEND_MAX = 64 * 1024 * 1024, /* a transaction is one packet */
	SEND_ROOM = 128 * 1024       /* what a socket has to begin with, at least */
};

struct Nfnetlink {
	struct mnl_socket *socket;
	uint32_t sequence;
	size_t send_room; /* SO_SNDBUF as we have set it */
	char *answer;     /* ANSWER_MAX */
};

Error *nfnetlink_open(Nfnetlink **ret)
{
	autoptr(Nfnetlink) netlink = mem_new(Nfnetlink);
	int on = 1;

	netlink->answer = mem_alloc(ANSWER_MAX);
	netlink->send_room = SEND_ROOM;
	netlink->socket = mnl_socket_open2(NETLINK_NETFILTER, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (!netlink->socket)
		return error_errno(errno, "could not open a socket to netfilter");
	if (mnl_socket_bind(netlink->socket, 0, MNL_SOCKET_AUTOPID) < 0)
		return error_errno(errno, "could not bind a socket to netfilter");
	/* An error need not bring the message back that it is about. */
	(void)mnl_socket_setsockopt(netlink->socket, NETLINK_CAP_ACK, &on, sizeof on);
	*ret = take(netlink);
	return NULL;
}

Nfnetlink *nfnetlink_close(Nfnetlink *netlink)
{
	if (!netlink)
		return NULL;
	if (netlink->socket)
		mnl_socket_close(netlink->socket);
	free(netlink->answer);
	free(netlink);
	return NULL;
}

uint32_t nfnetlink_port(const Nfnetlink *netlink)
{
	return mnl_socket_get_portid(netlink->socket);
}

/* ---- messages ---- */

static struct nlmsghdr *last_message(const Messages *messages)
{
	return (struct nlmsghdr *)(void *)(messages->bytes.data + messages->last);
}

/* libmnl has written behind the buffer's end, into what was reserved. */
static void end_last(Messages *messages)
{
	if (messages->count && messages->bytes.length == messages->last)
		buffer_commit(&messages->bytes, MNL_ALIGN(last_message(messages)->nlmsg_len));
}

struct nlmsghdr *messages_add(Messages *messages, int subsystem, int type, int flags, int family)
{
	struct nlmsghdr *message;
	struct nfgenmsg *general;

	end_last(messages);
	messages->last = messages->bytes.length;
	messages->count++;
	message = mnl_nlmsg_put_header(memset(buffer_reserve(&messages->bytes, MESSAGE_MAX), 0, MESSAGE_MAX));
	message->nlmsg_type = (uint16_t)(subsystem << 8 | type);
	message->nlmsg_flags = (uint16_t)(NLM_F_REQUEST | flags);
	general = mnl_nlmsg_put_extra_header(message, sizeof *general);
	general->nfgen_family = (uint8_t)family;
	general->version = NFNETLINK_V0;
	return message;
}

struct nlmsghdr *messages_add_nft(Messages *messages, int type, int flags, int family)
{
	return messages_add(messages, NFNL_SUBSYS_NFTABLES, type, flags, family);
}

void messages_clear(Messages *messages)
{
	buffer_clear(&messages->bytes);
	messages->last = messages->count = 0;
}

/* ---- sending ---- */

static void make_room(Nfnetlink *netlink, size_t length)
{
	int room = (int)length;

	if (length >= netlink->send_room &&
		setsockopt(mnl_socket_get_fd(netlink->socket), SOL_SOCKET, SO_SNDBUFFORCE, &room, sizeof room) == 0)
		netlink->send_room = length;
}

static fallible send_all(Nfnetlink *netlink, const struct iovec *parts, size_t count)
{
	struct sockaddr_nl kernel = {.nl_family = AF_NETLINK};
	struct msghdr message = {.msg_name = &kernel,
		.msg_namelen = sizeof kernel,
		.msg_iov = (struct iovec *)parts,
		.msg_iovlen = count};
	size_t length = 0;

	for (size_t i = 0; i < count; i++)
		length += parts[i].iov_len;
	if (length > SEND_MAX)
		return error_new(ERROR_TOO_LARGE, "a transaction of %zu bytes is too large for netfilter", length);
	make_room(netlink, length);
	if (sendmsg(mnl_socket_get_fd(netlink->socket), &message, 0) < 0)
		return error_errno(errno, "could not send to netfilter");
	return NULL;
}

/* Answers that nobody has read, of an earlier request. */
static void drain(Nfnetlink *netlink)
{
	for (;;) {
		ssize_t got = recv(mnl_socket_get_fd(netlink->socket), netlink->answer, ANSWER_MAX, 0);
		if (got < 0 && errno != ENOBUFS && errno != EINTR)
			return;
	}
}

/* ---- answers ---- */

typedef struct Reading {
	uint32_t first, last; /* sequence numbers that are ours */
	NfnetlinkVisitor *visit;
	void *arg;
	bool is_ended, is_interrupted;
	int error_number;
	uint32_t refused;
} Reading;

static void read_error(Reading *reading, const struct nlmsghdr *message)
{
	const struct nlmsgerr *answer = mnl_nlmsg_get_payload(message);

	if (message->nlmsg_len < mnl_nlmsg_size(sizeof *answer))
		return;
	if (answer->error && !reading->error_number) {
		reading->error_number = -answer->error;
		reading->refused = message->nlmsg_seq - reading->first;
	}
	reading->is_ended = true;
}

/* A dump that failed half-way says so in its end. */
static void read_done(Reading *reading, const struct nlmsghdr *message)
{
	int status = message->nlmsg_len >= mnl_nlmsg_size(sizeof status) ? *(int *)mnl_nlmsg_get_payload(message) : 0;

	if (status < 0)
		reading->error_number = -status;
	reading->is_ended = true;
}

static void read_message(Reading *reading, const struct nlmsghdr *message)
{
	if (message->nlmsg_seq < reading->first || message->nlmsg_seq > reading->last)
		return;
	if (message->nlmsg_flags & NLM_F_DUMP_INTR)
		reading->is_interrupted = true;
	if (message->nlmsg_type == NLMSG_ERROR)
		read_error(reading, message);
	else if (message->nlmsg_type == NLMSG_DONE)
		read_done(reading, message);
	else if (message->nlmsg_type >= NLMSG_MIN_TYPE && reading->visit)
		reading->visit(reading->arg, message);
	if (!(message->nlmsg_flags & NLM_F_MULTI))
		reading->is_ended = true;
}

/* One packet; false when there is none. The kernel has put an answer there before the request's sendmsg returned, and
 * puts the next part of a dump there when one is read. */
static bool read_packet(Nfnetlink *netlink, Reading *reading)
{
	ssize_t got = recv(mnl_socket_get_fd(netlink->socket), netlink->answer, ANSWER_MAX, 0);
	int left = (int)got;

	if (got < 0)
		return errno == ENOBUFS || errno == EINTR;
	for (struct nlmsghdr *message = (struct nlmsghdr *)(void *)netlink->answer; mnl_nlmsg_ok(message, left);
		message = mnl_nlmsg_next(message, &left))
		read_message(reading, message);
	return true;
}

/* ---- transactions ---- */

static void number_messages(Nfnetlink *netlink, Messages *messages, Reading *ret)
{
	struct nlmsghdr *message = (struct nlmsghdr *)(void *)messages->bytes.data;
	int left = (int)messages->bytes.length;

	ret->first = netlink->sequence + 1;
	for (; mnl_nlmsg_ok(message, left); message = mnl_nlmsg_next(message, &left))
		message->nlmsg_seq = ++netlink->sequence;
	ret->last = netlink->sequence;
	last_message(messages)->nlmsg_flags |= NLM_F_ACK;
}

static void put_bracket(char *at, uint32_t sequence, int type)
{
	struct nlmsghdr *message = mnl_nlmsg_put_header(at);
	struct nfgenmsg *general = mnl_nlmsg_put_extra_header(message, sizeof *general);

	message->nlmsg_type = (uint16_t)type;
	message->nlmsg_flags = NLM_F_REQUEST;
	message->nlmsg_seq = sequence;
	general->nfgen_family = AF_UNSPEC;
	general->version = NFNETLINK_V0;
	general->res_id = htons(NFNL_SUBSYS_NFTABLES);
}

Error *nfnetlink_commit(Nfnetlink *netlink, Messages *transaction, int *ret_errno, size_t *ret_refused)
{
	enum { BRACKET = MNL_ALIGN(sizeof(struct nlmsghdr)) + MNL_ALIGN(sizeof(struct nfgenmsg)) };
	char begin[BRACKET] __attribute__((aligned(4))), end[BRACKET] __attribute__((aligned(4)));
	Reading reading = {0};

	end_last(transaction);
	drain(netlink);
	/* Errors of the transaction as a whole are about its beginning. */
	put_bracket(begin, netlink->sequence + 1, NFNL_MSG_BATCH_BEGIN);
	number_messages(netlink, transaction, &reading);
	put_bracket(end, ++netlink->sequence, NFNL_MSG_BATCH_END);
	TRY(send_all(netlink,
		(struct iovec[]){
			{begin, BRACKET}, {transaction->bytes.data, transaction->bytes.length}, {end, BRACKET}},
		3));
	while (read_packet(netlink, &reading))
		;
	if (!reading.is_ended)
		return error_new(ERROR_INTERNAL, "netfilter did not answer");
	*ret_errno = reading.error_number;
	if (ret_refused)
		*ret_refused = reading.refused;
	return NULL;
}

/* ---- outside of transactions ---- */

Error *nfnetlink_tell(Nfnetlink *netlink, Messages *orders)
{
	Reading reading;

	end_last(orders);
	number_messages(netlink, orders, &reading);
	return send_all(netlink, &(struct iovec){orders->bytes.data, orders->bytes.length}, 1);
}

Error *nfnetlink_ask(Nfnetlink *netlink, Messages *request, NfnetlinkVisitor *visit, void *arg, int *ret_errno)
{
	Reading reading = {.visit = visit, .arg = arg};

	end_last(request);
	drain(netlink);
	number_messages(netlink, request, &reading);
	TRY(send_all(netlink, &(struct iovec){request->bytes.data, request->bytes.length}, 1));
	while (!reading.is_ended && read_packet(netlink, &reading))
		;
	if (!reading.is_ended)
		return error_new(ERROR_INTERNAL, "netfilter did not answer");
	*ret_errno = reading.is_interrupted && !reading.error_number ? EINTR : reading.error_number;
	return NULL;
}

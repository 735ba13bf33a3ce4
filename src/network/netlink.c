// SPDX-License-Identifier: Apache-2.0
#include "network/netlink.h"

#include <errno.h>
#include <linux/netlink.h>
#include <sched.h>
#include <string.h>
#include <sys/socket.h>

#include "base/memory.h"
#include "network/namespace.h"

enum {
	BATCH_MAX = 32 * 1024,  /* bytes that wait to be sent */
	MESSAGES_MAX = 64,      /* of them */
	ATTRIBUTES_MAX = 4096,  /* that a message may have room for */
	ANSWER_MAX = 64 * 1024, /* the kernel fills no more of a buffer in a dump */
};

struct Netlink {
	int fd;
	unsigned sequence;           /* of the message begun last */
	unsigned first;              /* of the first that waits */
	struct nlmsghdr *latest;     /* the message begun last; NULL: none waits */
	int tolerated[MESSAGES_MAX]; /* errno by message */
	bool is_torn;                /* the last answer */
	_Alignas(8) char batch[BATCH_MAX];
};

/* Answers tell why (extended ack) without repeating the question; dumps are filtered by the kernel where it can. */
static void set_options(int fd)
{
	static const int options[] = {NETLINK_EXT_ACK, NETLINK_CAP_ACK, NETLINK_GET_STRICT_CHK};
	const int on = 1;

	for (size_t i = 0; i < COUNT(options); i++)
		(void)setsockopt(fd, SOL_NETLINK, options[i], &on, sizeof(on)); /* an old kernel may know one not */
}

static fallible open_socket(int *ret, int namespace_fd, int bus)
{
	int home = -1, fd, number;

	if (namespace_fd >= 0)
		TRY(namespace_enter(&home, namespace_fd));
	fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, bus);
	number = errno;
	if (home >= 0)
		namespace_leave(home);
	if (fd < 0)
		return error_errno(number, "could not open a netlink socket");
	*ret = fd;
	return NULL;
}

fallible netlink_open_in(Netlink **ret, int namespace_fd, int bus)
{
	Netlink *netlink;
	int fd = -1;

	TRY(open_socket(&fd, namespace_fd, bus));
	set_options(fd);
	netlink = mem_new(Netlink);
	netlink->fd = fd;
	*ret = netlink;
	return NULL;
}

Netlink *netlink_close(Netlink *netlink)
{
	if (netlink)
		close_fd(&netlink->fd);
	free(netlink);
	return NULL;
}

int netlink_fd(const Netlink *netlink)
{
	return netlink->fd;
}

bool host_has_ipv6(void)
{
	autofd fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	return fd >= 0 || errno != EAFNOSUPPORT;
}

/* ---- questions ---- */

static size_t waiting(const Netlink *netlink)
{
	const struct nlmsghdr *latest = netlink->latest;

	return latest ? (size_t)((const char *)latest - netlink->batch) + MNL_ALIGN(latest->nlmsg_len) : 0;
}

/* Who fills a batch without sending it has a bug: there is no input that decides how many messages there are. */
struct nlmsghdr *netlink_message(Netlink *netlink, uint16_t type, uint16_t flags, const void *header, size_t size)
{
	size_t offset = waiting(netlink);
	struct nlmsghdr *message = (struct nlmsghdr *)(netlink->batch + offset);

	netlink->sequence++;
	if (!netlink->latest)
		netlink->first = netlink->sequence;
	if (offset + ATTRIBUTES_MAX > BATCH_MAX || netlink->sequence - netlink->first >= MESSAGES_MAX)
		abort();
	mnl_nlmsg_put_header(message);
	message->nlmsg_type = type;
	message->nlmsg_flags = NLM_F_REQUEST | flags;
	message->nlmsg_seq = netlink->sequence;
	memcpy(mnl_nlmsg_put_extra_header(message, size), header, size);
	netlink->tolerated[netlink->sequence - netlink->first] = 0;
	netlink->latest = message;
	return message;
}

void netlink_tolerate(Netlink *netlink, int errno_value)
{
	netlink->tolerated[netlink->sequence - netlink->first] = errno_value;
}

static fallible send_all(Netlink *netlink)
{
	static const struct sockaddr_nl kernel = {.nl_family = AF_NETLINK};
	size_t length = waiting(netlink);

	netlink->latest = NULL;
	while (sendto(netlink->fd, netlink->batch, length, 0, (const struct sockaddr *)&kernel, sizeof(kernel)) < 0)
		if (errno != EINTR)
			return error_errno(errno, "could not ask the kernel");
	return NULL;
}

/* ---- answers ---- */

static int read_attribute(const struct nlattr *attribute, void *arg)
{
	const struct nlattr **found = arg;

	if (mnl_attr_get_type(attribute) == NLMSGERR_ATTR_MSG && mnl_attr_validate(attribute, MNL_TYPE_NUL_STRING) >= 0)
		*found = attribute;
	return MNL_CB_OK;
}

/* The kernel's own words; NULL when it has none. */
static const char *words_of(const struct nlmsghdr *answer)
{
	const struct nlmsgerr *body = mnl_nlmsg_get_payload(answer);
	size_t offset = sizeof(*body);
	const struct nlattr *words = NULL;

	if (!(answer->nlmsg_flags & NLM_F_ACK_TLVS))
		return NULL;
	if (!(answer->nlmsg_flags & NLM_F_CAPPED))
		offset += mnl_nlmsg_get_payload_len(&body->msg);
	mnl_attr_parse(answer, (unsigned)offset, read_attribute, &words);
	return words ? mnl_attr_get_str(words) : NULL;
}

static fallible failure_of(const struct nlmsghdr *answer)
{
	const struct nlmsgerr *body = mnl_nlmsg_get_payload(answer);
	const char *words = words_of(answer);

	return words ? error_errno(-body->error, "%s", words) : error_errno(-body->error, "the kernel refuses");
}

/* 0 when the answer is of another question, as one that was given up. */
static ssize_t receive(Netlink *netlink, char *buffer, Error **ret_error)
{
	ssize_t got;

	do
		got = recv(netlink->fd, buffer, ANSWER_MAX, 0);
	while (got < 0 && errno == EINTR);
	if (got < 0)
		*ret_error = error_errno(errno, "could not hear the kernel's answer");
	return got;
}

static bool is_error(const struct nlmsghdr *answer)
{
	return answer->nlmsg_type == NLMSG_ERROR && answer->nlmsg_len >= mnl_nlmsg_size(sizeof(struct nlmsgerr));
}

/* Keeps the first failure. True: it was the last answer. */
static bool hear(Netlink *netlink, const struct nlmsghdr *answer, Error **first)
{
	const struct nlmsgerr *body = mnl_nlmsg_get_payload(answer);
	unsigned index = answer->nlmsg_seq - netlink->first;

	if (!is_error(answer) || index > netlink->sequence - netlink->first)
		return false;
	if (body->error && -body->error != netlink->tolerated[index] && !*first)
		*first = failure_of(answer);
	return answer->nlmsg_seq == netlink->sequence;
}

/* Only the last message asks for an answer: failures are told without. */
fallible netlink_send(Netlink *netlink)
{
	_Alignas(8) char buffer[ANSWER_MAX];
	Error *first = NULL;
	bool is_last = false;

	if (!netlink->latest)
		return NULL;
	netlink->latest->nlmsg_flags |= NLM_F_ACK;
	TRY(send_all(netlink));
	while (!is_last) {
		ssize_t got = receive(netlink, buffer, &first);
		int left = (int)got;

		if (got < 0)
			return first;
		for (const struct nlmsghdr *answer = (void *)buffer; mnl_nlmsg_ok(answer, left);
			answer = mnl_nlmsg_next(answer, &left))
			is_last = hear(netlink, answer, &first) || is_last;
	}
	return first;
}

typedef struct Asking {
	Netlink *netlink;
	NetlinkVisitor *visit;
	void *arg;
	bool is_dump, is_over;
	Error *error;
} Asking;

static void visit(Asking *asking, const struct nlmsghdr *answer)
{
	if (!asking->error)
		asking->error = asking->visit(asking->arg, answer);
	asking->is_over = !asking->is_dump;
}

static void hear_one(Asking *asking, const struct nlmsghdr *answer)
{
	const struct nlmsgerr *body = mnl_nlmsg_get_payload(answer);

	if (answer->nlmsg_seq != asking->netlink->sequence)
		return;
	if (answer->nlmsg_flags & NLM_F_DUMP_INTR)
		asking->netlink->is_torn = true;
	if (answer->nlmsg_type == NLMSG_DONE) {
		asking->is_over = true;
	} else if (!is_error(answer)) {
		visit(asking, answer);
	} else {
		asking->is_over = true;
		if (body->error && -body->error != asking->netlink->tolerated[0] && !asking->error)
			asking->error = failure_of(answer);
	}
}

/* A visitor's error ends the visits, the rest of the answer is heard nevertheless: it would be in the next one's way.
 */
fallible netlink_ask(Netlink *netlink, NetlinkVisitor *visitor, void *arg)
{
	_Alignas(8) char buffer[ANSWER_MAX];
	Asking asking = {.netlink = netlink, .visit = visitor, .arg = arg};

	netlink->is_torn = false;
	asking.is_dump = (netlink->latest->nlmsg_flags & NLM_F_DUMP) == NLM_F_DUMP;
	TRY(send_all(netlink));
	while (!asking.is_over) {
		ssize_t got = receive(netlink, buffer, &asking.error);
		int left = (int)got;

		if (got < 0)
			break;
		for (const struct nlmsghdr *answer = (void *)buffer; mnl_nlmsg_ok(answer, left) && !asking.is_over;
			answer = mnl_nlmsg_next(answer, &left))
			hear_one(&asking, answer);
	}
	return asking.error;
}

bool netlink_is_torn(const Netlink *netlink)
{
	return netlink->is_torn;
}

/* ---- attributes ---- */

static void keep(const struct nlattr **ret, size_t count, const struct nlattr *attribute)
{
	uint16_t type = mnl_attr_get_type(attribute);

	if (type < count)
		ret[type] = attribute;
}

void netlink_attributes(const struct nlattr **ret, size_t count, const struct nlmsghdr *message, size_t header_size)
{
	const struct nlattr *attribute;

	memset(ret, 0, count * sizeof(*ret));
	mnl_attr_for_each(attribute, message, header_size) keep(ret, count, attribute);
}

void netlink_nested(const struct nlattr **ret, size_t count, const struct nlattr *nest)
{
	const struct nlattr *attribute;

	memset(ret, 0, count * sizeof(*ret));
	mnl_attr_for_each_nested(attribute, nest) keep(ret, count, attribute);
}

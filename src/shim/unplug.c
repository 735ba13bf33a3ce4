// SPDX-License-Identifier: Apache-2.0
#include "shim/unplug.h"

#include <errno.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/socket.h>

enum { SEQUENCE = 0x756e706c }; /* of none that the socket was asked before */

typedef struct Question {
	struct nlmsghdr header;
	struct ifinfomsg any;
	struct rtattr group_header;
	uint32_t group;
} Question;

typedef union Answer {
	struct nlmsghdr header;
	char bytes[4096];
} Answer;

static int ask(int fd, uint32_t group)
{
	const struct sockaddr_nl kernel = {.nl_family = AF_NETLINK};
	const Question question = {.header = {.nlmsg_len = sizeof(question),
					   .nlmsg_type = RTM_DELLINK,
					   .nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK,
					   .nlmsg_seq = SEQUENCE},
		.group_header = {.rta_len = RTA_LENGTH(sizeof(group)), .rta_type = IFLA_GROUP},
		.group = group};

	return sendto(fd, &question, sizeof(question), 0, (const struct sockaddr *)&kernel, sizeof(kernel)) < 0 ? errno
														: 0;
}

/* 0, or an errno. */
static int hear(int fd)
{
	Answer answer;
	const struct nlmsgerr *result = NLMSG_DATA(&answer.header);
	ssize_t got;

	do
		got = recv(fd, &answer, sizeof(answer), 0);
	while ((got < 0 && errno == EINTR) ||
		(got >= (ssize_t)NLMSG_LENGTH(sizeof(*result)) && answer.header.nlmsg_seq != SEQUENCE));
	if (got < 0)
		return errno;
	if (got < (ssize_t)NLMSG_LENGTH(sizeof(*result)) || answer.header.nlmsg_type != NLMSG_ERROR)
		return EPROTO;
	return -result->error;
}

fallible unplug_links(const ShimSettings *settings)
{
	int first = 0;

	for (int64_t i = 0; i < settings->held_count; i++) {
		int fd = (int)(settings->held_fd + i), number = ask(fd, (uint32_t)settings->unplug);

		if (!number)
			number = hear(fd);
		if (number && number != ENODEV && !first)
			first = number;
	}
	return first ? error_errno(first, "could not remove links") : NULL;
}

// SPDX-License-Identifier: Apache-2.0
#include "network/linkwatch.h"

#include <errno.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <sys/socket.h>

#include "base/memory.h"
#include "network/netlink.h"

enum {
	READ_MAX = 32 * 1024,
	ROUNDS_MAX = 64,           /* reads before the loop has its turn */
	QUEUE_BYTES = 1024 * 1024, /* that the kernel may keep for us; else ENOBUFS */
};

static const int groups[] = {
	RTNLGRP_LINK, RTNLGRP_IPV4_IFADDR, RTNLGRP_IPV6_IFADDR, RTNLGRP_IPV4_ROUTE, RTNLGRP_IPV6_ROUTE};

struct LinkWatch {
	int fd;
	Source *source;
	LinkHandlers handlers;
	void *arg;
	bool is_addressed, is_routed, is_lost; /* told once for all that was read */
};

/* ---- what is told ---- */

/* What concerns a link as a bridge's port comes with that family, a removal from the bridge, too. */
static void hear_link(LinkWatch *watch, const struct nlmsghdr *message)
{
	const struct ifinfomsg *header = mnl_nlmsg_get_payload(message);
	const struct nlattr *parts[IFLA_IFNAME + 1];
	void (*handler)(void *, const char *) = message->nlmsg_type == RTM_DELLINK ? watch->handlers.gone
						: header->ifi_flags & IFF_UP       ? watch->handlers.came
										   : watch->handlers.down;

	netlink_attributes(parts, COUNT(parts), message, sizeof(*header));
	if (header->ifi_family == AF_UNSPEC && parts[IFLA_IFNAME] && handler)
		handler(watch->arg, mnl_attr_get_str(parts[IFLA_IFNAME]));
}

/* Those that somebody set, or an address brought along; not those of an address or of broadcasts. */
static void hear_route(LinkWatch *watch, const struct nlmsghdr *message)
{
	const struct rtmsg *header = mnl_nlmsg_get_payload(message);

	if (header->rtm_type == RTN_UNICAST && !(header->rtm_flags & RTM_F_CLONED))
		watch->is_routed = true;
}

static void hear(LinkWatch *watch, const struct nlmsghdr *message)
{
	switch (message->nlmsg_type) {
	case RTM_NEWLINK:
	case RTM_DELLINK:
		hear_link(watch, message);
		break;
	case RTM_NEWADDR:
	case RTM_DELADDR:
		watch->is_addressed = true;
		break;
	case RTM_NEWROUTE:
	case RTM_DELROUTE:
		hear_route(watch, message);
		break;
	default:
		break;
	}
}

/* ---- reading ---- */

/* False when there is no more. */
static bool read_some(LinkWatch *watch)
{
	_Alignas(8) char buffer[READ_MAX];
	ssize_t got = recv(watch->fd, buffer, sizeof(buffer), MSG_DONTWAIT);
	int left = (int)got;

	if (got < 0 && errno == ENOBUFS)
		watch->is_lost = true;
	if (got < 0)
		return errno == EINTR || errno == ENOBUFS;
	for (const struct nlmsghdr *message = (void *)buffer; mnl_nlmsg_ok(message, left);
		message = mnl_nlmsg_next(message, &left))
		hear(watch, message);
	return true;
}

static void tell(LinkWatch *watch, bool *flag, void (*handler)(void *))
{
	bool was = *flag;

	*flag = false;
	if (was && handler)
		handler(watch->arg);
}

/* The kernel says once that it drops messages, and goes on doing so until all is read: only then is it told. */
static void on_readable(void *arg, int fd, unsigned events)
{
	LinkWatch *watch = arg;
	bool is_empty = false;

	(void)fd, (void)events;
	for (int round = 0; round < ROUNDS_MAX && !is_empty; round++)
		is_empty = !read_some(watch);
	if (is_empty)
		tell(watch, &watch->is_lost, watch->handlers.lost);
	tell(watch, &watch->is_addressed, watch->handlers.addressed);
	tell(watch, &watch->is_routed, watch->handlers.routed);
}

/* ---- life ---- */

static fallible open_socket(int *ret)
{
	static const struct sockaddr_nl any = {
		.nl_family = AF_NETLINK}; /* one without a number of its own hears nothing */
	const int size = QUEUE_BYTES;
	autofd fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE);

	if (fd < 0)
		return error_errno(errno, "could not open a netlink socket");
	(void)setsockopt(
		fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)); /* without it more is lost, and looked for */
	if (bind(fd, (const struct sockaddr *)&any, sizeof(any)) < 0)
		return error_errno(errno, "could not bind a netlink socket");
	for (size_t i = 0; i < COUNT(groups); i++)
		if (setsockopt(fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &groups[i], sizeof(groups[i])) < 0)
			return error_errno(errno, "could not listen to the kernel's network");
	*ret = take_fd(&fd);
	return NULL;
}

fallible link_watch_open(LinkWatch **ret, Loop *loop, const LinkHandlers *handlers, void *arg)
{
	autoptr(LinkWatch) watch = mem_new(LinkWatch);

	watch->fd = -1;
	watch->handlers = *handlers;
	watch->arg = arg;
	TRY(open_socket(&watch->fd));
	TRY(loop_watch(&watch->source, loop, watch->fd, LOOP_READ, on_readable, watch));
	*ret = take(watch);
	return NULL;
}

LinkWatch *link_watch_close(LinkWatch *watch)
{
	if (!watch)
		return NULL;
	source_free(watch->source);
	close_fd(&watch->fd);
	free(watch);
	return NULL;
}

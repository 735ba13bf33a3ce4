// SPDX-License-Identifier: Apache-2.0
/* Datagrams: each client has a socket of its own towards the container, which is forgotten when nobody has used it for
 * a while, or when there are too many and it is the longest unused. */
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/memory.h"
#include "shim/relay_parts.h"

enum { DATAGRAM_MAX = 65536, DATAGRAMS = 32 };

/* Who speaks with whom. */
typedef struct Route {
	const Door *door;
	struct sockaddr_in6 peer;
	struct in6_pktinfo local; /* what the client has sent to: the answer comes from there */
} Route;

typedef struct Flow {
	RelaySource source;
	List in_order;
	struct Flow *next; /* of its bucket */
	Route route;
	int fd;
	int64_t used_ns;
} Flow;

typedef union Control {
	struct cmsghdr head;
	char bytes[CMSG_SPACE(sizeof(struct in6_pktinfo))];
} Control;

static char datagram[DATAGRAM_MAX];

void relay_datagrams_prepare(Door *door)
{
	const int on = 1;

	setsockopt(door->fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, &on, sizeof(on));
}

/* ---- the table ---- */

/* FNV-1a */
static struct Flow **bucket_of(Relay *relay, const Route *route)
{
	const unsigned char *bytes = (const unsigned char *)route;
	uint32_t hash = 2166136261;

	for (size_t i = 0; i < sizeof(*route); i++)
		hash = (hash ^ bytes[i]) * 16777619;
	return &relay->buckets[hash % FLOW_BUCKETS];
}

static void remove_flow(Relay *relay, Flow *flow)
{
	Flow **at = bucket_of(relay, &flow->route);

	while (*at != flow)
		at = &(*at)->next;
	*at = flow->next;
	list_remove(&flow->in_order);
	close(flow->fd);
	free(flow);
	relay->flow_count--;
}

static void touch(Relay *relay, Flow *flow)
{
	flow->used_ns = clock_monotonic_ns();
	list_remove(&flow->in_order);
	list_append(&relay->flows, &flow->in_order);
}

static Flow *oldest(const Relay *relay)
{
	return list_empty(&relay->flows) ? NULL : list_entry(relay->flows.next, Flow, in_order);
}

void relay_datagrams_tick(Relay *relay, int64_t now_ns)
{
	for (Flow *flow = oldest(relay); flow && now_ns - flow->used_ns >= relay->idle_ns; flow = oldest(relay))
		remove_flow(relay, flow);
}

/* ---- to the client ---- */

static void answer(const Flow *flow, size_t length)
{
	struct iovec part = {datagram, length};
	Control control = {.head = {.cmsg_len = CMSG_LEN(sizeof(struct in6_pktinfo)),
				   .cmsg_level = IPPROTO_IPV6,
				   .cmsg_type = IPV6_PKTINFO}};
	struct msghdr message = {.msg_name = (void *)&flow->route.peer,
		.msg_namelen = sizeof(flow->route.peer),
		.msg_iov = &part,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control)};

	memcpy(CMSG_DATA(&control.head), &flow->route.local, sizeof(flow->route.local));
	sendmsg(flow->route.door->fd, &message,
		MSG_DONTWAIT | MSG_NOSIGNAL); /* what cannot be sent is lost, as in any network */
}

static void flow_ready(Relay *relay, RelaySource *source, uint32_t events)
{
	Flow *flow = (Flow *)source;

	(void)events;
	touch(relay, flow);
	for (int i = 0; i < DATAGRAMS; i++) {
		ssize_t length = recv(flow->fd, datagram, sizeof(datagram), MSG_DONTWAIT);
		if (length >= 0)
			answer(flow, (size_t)length);
		else if (errno != ECONNREFUSED) /* nobody has listened in the container, and may later */
			return;
	}
}

/* ---- to the container ---- */

static Flow *add_flow(Relay *relay, const Route *route)
{
	if (relay->flow_count >= relay->flow_max && oldest(relay))
		remove_flow(relay, oldest(relay));
	int fd = relay_connect(relay, SOCK_DGRAM, route->door->port);
	if (fd < 0)
		return NULL;
	Flow *flow = mem_new(Flow), **bucket = bucket_of(relay, route);
	*flow = (Flow){.source = {flow_ready}, .next = *bucket, .route = *route, .fd = fd};
	*bucket = flow;
	list_append(&relay->flows, &flow->in_order);
	relay->flow_count++;
	if (relay_watch(relay->epoll, fd, EPOLLIN, &flow->source))
		return flow;
	remove_flow(relay, flow);
	return NULL;
}

static Flow *find_flow(Relay *relay, const Route *route)
{
	for (Flow *flow = *bucket_of(relay, route); flow; flow = flow->next)
		if (!memcmp(&flow->route, route, sizeof(*route)))
			return flow;
	return add_flow(relay, route);
}

/* The interface matters for addresses that are of one link alone; for others the answer goes where the host's routes
 * say. */
static void read_local(Route *route, struct msghdr *message)
{
	for (struct cmsghdr *head = CMSG_FIRSTHDR(message); head; head = CMSG_NXTHDR(message, head))
		if (head->cmsg_level == IPPROTO_IPV6 && head->cmsg_type == IPV6_PKTINFO)
			memcpy(&route->local, CMSG_DATA(head), sizeof(route->local));
	if (!IN6_IS_ADDR_LINKLOCAL(&route->local.ipi6_addr))
		route->local.ipi6_ifindex = 0;
}

static ssize_t receive(Route *route, const Door *door)
{
	struct iovec part = {datagram, sizeof(datagram)};
	Control control;
	struct msghdr message = {.msg_name = &route->peer,
		.msg_namelen = sizeof(route->peer),
		.msg_iov = &part,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control)};

	memset(route, 0, sizeof(*route)); /* compared as bytes */
	route->door = door;
	ssize_t length = recvmsg(door->fd, &message, MSG_DONTWAIT);
	if (length >= 0)
		read_local(route, &message);
	return length;
}

/* That nobody listened to an earlier one is told in place of sending this one. */
static void forward(const Flow *flow, size_t length)
{
	for (int tries = 0; tries < 2; tries++)
		if (send(flow->fd, datagram, length, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0 || errno != ECONNREFUSED)
			return;
}

void relay_datagrams_ready(Relay *relay, RelaySource *source, uint32_t events)
{
	Route route;

	(void)events;
	for (int i = 0; i < DATAGRAMS; i++) {
		ssize_t length = receive(&route, (Door *)source);
		if (length < 0)
			return;
		Flow *flow = find_flow(relay, &route);
		if (!flow)
			continue;
		touch(relay, flow);
		forward(flow, (size_t)length);
	}
}

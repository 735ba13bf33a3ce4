// SPDX-License-Identifier: Apache-2.0
/* Connections: each direction through a pipe by splice(2), so that no byte is copied to here. */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/memory.h"
#include "shim/relay_parts.h"

enum { CHUNK = 64 * 1024, ROUNDS = 16, ACCEPTS = 16, KEEPALIVE_S = 120 };

#define CONNECT_NS (30 * NANOS_PER_SECOND)

typedef struct End {
	RelaySource source;
	struct Pair *pair;
	int fd;
	uint32_t watched;
} End;

/* From the end of the same number to the other one. */
typedef struct Way {
	int pipe[2];
	size_t held;
	bool has_ended, is_closed; /* all was read, and the other end told */
} Way;

typedef struct Pair {
	List in_list;
	End ends[2]; /* the client, the container */
	Way ways[2];
	bool is_connecting;
	int64_t deadline_ns; /* of connecting */
} Pair;

/* Who finds no room waits at the door, where the kernel keeps a row. */
static void set_full(Relay *relay, bool is_full)
{
	struct epoll_event event = {.events = is_full ? 0 : EPOLLIN, .data.ptr = &relay->streams};

	if (is_full == relay->is_full)
		return;
	relay->is_full = is_full;
	epoll_ctl(relay->epoll, EPOLL_CTL_MOD, relay->streams_fd, &event);
}

/* ---- the end ---- */

static void close_way(Way *way)
{
	close_fd(&way->pipe[0]);
	close_fd(&way->pipe[1]);
}

/* What ends badly at one side is reset at the other. */
static void reset_end(End *end)
{
	struct linger at_once = {.l_onoff = 1};

	setsockopt(end->fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
}

static void close_pair(Relay *relay, Pair *pair, bool is_broken)
{
	for (int i = 0; i < 2; i++) {
		if (is_broken)
			reset_end(&pair->ends[i]);
		close_fd(&pair->ends[i].fd);
		close_way(&pair->ways[i]);
	}
	list_remove(&pair->in_list);
	relay->pair_count--;
	relay->connecting -= pair->is_connecting;
	free(pair);
	set_full(relay, false);
}

/* ---- passing on ---- */

static bool must_wait(ssize_t spliced)
{
	return spliced < 0 && (errno == EAGAIN || errno == EINTR);
}

/* False: the connection is broken. */
static bool fill(Way *way, int from, bool *ret_moved)
{
	if (way->has_ended || way->held >= CHUNK)
		return true;
	ssize_t count = splice(from, NULL, way->pipe[1], NULL, CHUNK, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
	if (count < 0)
		return must_wait(count);
	way->has_ended = !count;
	way->held += (size_t)count;
	*ret_moved = true;
	return true;
}

static bool drain(Way *way, int to, bool *ret_moved)
{
	if (!way->held)
		return true;
	ssize_t count = splice(way->pipe[0], NULL, to, NULL, way->held, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
	if (count < 0)
		return must_wait(count);
	way->held -= (size_t)count;
	*ret_moved = true;
	return true;
}

/* One side's end is told to the other; what comes the other way goes on. False: the connection is broken. */
static bool pump(Way *way, int from, int to)
{
	bool moved = true;

	for (int round = 0; round < ROUNDS && moved; round++) {
		moved = false;
		if (!fill(way, from, &moved) || !drain(way, to, &moved))
			return false;
	}
	if (way->has_ended && !way->held && !way->is_closed) {
		shutdown(to, SHUT_WR);
		way->is_closed = true;
	}
	return true;
}

/* ---- waiting ---- */

/* Nothing is read while the other side does not take what there is. */
static uint32_t wanted(const Pair *pair, int number)
{
	const Way *out = &pair->ways[number], *in = &pair->ways[!number];

	if (pair->is_connecting)
		return number ? EPOLLOUT : 0;
	return (out->has_ended || out->held ? 0 : EPOLLIN) | (in->held ? EPOLLOUT : 0);
}

/* An end that nothing is wanted of is not watched at all: the kernel would tell of its hang-up again and again. */
static bool watch_end(Relay *relay, End *end, uint32_t events)
{
	struct epoll_event event = {.events = events, .data.ptr = end};
	int change = !events ? EPOLL_CTL_DEL : end->watched ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;

	if (events == end->watched)
		return true;
	end->watched = events;
	return epoll_ctl(relay->epoll, change, end->fd, &event) == 0;
}

static bool go_on(Relay *relay, Pair *pair)
{
	for (int i = 0; i < 2 && !pair->is_connecting; i++)
		if (!pump(&pair->ways[i], pair->ends[i].fd, pair->ends[!i].fd))
			return false;
	for (int i = 0; i < 2; i++)
		if (!watch_end(relay, &pair->ends[i], wanted(pair, i)))
			return false;
	return true;
}

static bool has_connected(Relay *relay, Pair *pair)
{
	int problem = 0;
	socklen_t size = sizeof(problem);

	if (getsockopt(pair->ends[1].fd, SOL_SOCKET, SO_ERROR, &problem, &size) < 0 || problem)
		return false;
	pair->is_connecting = false;
	relay->connecting--;
	return true;
}

static void end_ready(Relay *relay, RelaySource *source, uint32_t events)
{
	Pair *pair = ((End *)source)->pair;

	(void)events; /* both ways are tried: whatever happened shows there */
	bool is_well = (!pair->is_connecting || has_connected(relay, pair)) && go_on(relay, pair);
	if (!is_well || (pair->ways[0].is_closed && pair->ways[1].is_closed))
		close_pair(relay, pair, !is_well);
}

/* ---- the beginning ---- */

static void set_up(int fd)
{
	const int on = 1, idle_s = KEEPALIVE_S;

	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle_s, sizeof(idle_s));
}

static bool open_ways(Pair *pair)
{
	for (int i = 0; i < 2; i++)
		if (pipe2(pair->ways[i].pipe, O_CLOEXEC | O_NONBLOCK) < 0)
			return false;
	return true;
}

static void add_pair(Relay *relay, const Door *door, int client)
{
	Pair *pair = mem_new(Pair);

	*pair = (Pair){.ways = {{.pipe = {-1, -1}}, {.pipe = {-1, -1}}},
		.ends = {{{end_ready}, pair, client, 0}, {{end_ready}, pair, -1, 0}},
		.is_connecting = true,
		.deadline_ns = clock_monotonic_ns() + CONNECT_NS};
	list_append(&relay->pairs, &pair->in_list);
	relay->pair_count++;
	relay->connecting++;
	pair->ends[1].fd = relay_connect(relay, SOCK_STREAM, door->port);
	if (pair->ends[1].fd < 0 || !open_ways(pair) || !go_on(relay, pair)) {
		close_pair(relay, pair, true);
		return;
	}
	set_up(client);
	set_up(pair->ends[1].fd);
}

/* False: there is no room, or the kernel has none. */
static bool accept_from(Relay *relay, const Door *door)
{
	for (int i = 0; i < ACCEPTS && relay->pair_count < relay->pair_max; i++) {
		int client = accept4(door->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (client >= 0)
			add_pair(relay, door, client);
		else if (errno != ECONNABORTED)
			return errno == EAGAIN || errno == EINTR;
	}
	return relay->pair_count < relay->pair_max;
}

void relay_streams_ready(Relay *relay, RelaySource *source, uint32_t events)
{
	struct epoll_event event;

	(void)source;
	(void)events;
	if (epoll_wait(relay->streams_fd, &event, 1, 0) == 1)
		set_full(relay, !accept_from(relay, event.data.ptr));
}

void relay_streams_tick(Relay *relay, int64_t now_ns)
{
	list_each(&relay->pairs, Pair, in_list, pair)
		if (pair->is_connecting && pair->deadline_ns <= now_ns)
			close_pair(relay, pair, true);
	set_full(relay, relay->pair_count >= relay->pair_max);
}

// SPDX-License-Identifier: Apache-2.0
#include "shim/relay.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/confine.h"
#include "base/memory.h"
#include "shim/relay_parts.h"
#include "shim/relayed.h"

enum { NOBODY = 65534, PAIRS_MAX = 1024, FLOWS_MAX = 1024, PAIR_FDS = 6, OWN_FDS = 16, TICK_MS = 1000 };

/* ---- sockets ---- */

bool relay_watch(int epoll, int fd, uint32_t events, RelaySource *source)
{
	struct epoll_event event = {.events = events, .data.ptr = source};

	return epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) == 0;
}

/* The port lies at the same place for both families. */
int relay_connect(const Relay *relay, int type, uint16_t port)
{
	struct sockaddr_storage target = relay->target;
	autofd fd = socket(target.ss_family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	((struct sockaddr_in *)&target)->sin_port = htons(port);
	if (fd < 0 || (connect(fd, (struct sockaddr *)&target, relay->target_size) < 0 && errno != EINPROGRESS))
		return -1;
	return take_fd(&fd);
}

static fallible read_target(Relay *relay, const char *text)
{
	struct sockaddr_in *v4 = (struct sockaddr_in *)&relay->target;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&relay->target;

	if (string_empty(text)) {
		v4->sin_family = AF_UNSPEC; /* no socket leads there: who comes is sent away */
	} else if (inet_pton(AF_INET, text, &v4->sin_addr) == 1) {
		v4->sin_family = AF_INET;
		relay->target_size = sizeof(*v4);
	} else if (inet_pton(AF_INET6, text, &v6->sin6_addr) == 1) {
		v6->sin6_family = AF_INET6;
		relay->target_size = sizeof(*v6);
	} else {
		return error_new(ERROR_INVALID, "--relay-to \"%s\" is not an address", text);
	}
	return NULL;
}

/* ---- doors ---- */

static fallible open_door(Relay *relay, Door *door)
{
	bool is_of_streams = relayed_is_stream(door->fd);

	if (fcntl(door->fd, F_SETFL, fcntl(door->fd, F_GETFL) | O_NONBLOCK) < 0)
		return error_errno(errno, "could not prepare a socket");
	if (!is_of_streams)
		relay_datagrams_prepare(door);
	if (!relay_watch(is_of_streams ? relay->streams_fd : relay->epoll, door->fd, EPOLLIN, &door->source))
		return error_errno(errno, "could not wait at a socket");
	return NULL;
}

static fallible open_doors(Relay *relay, const ShimSettings *settings, const char *word)
{
	Relayed relayed;

	TRY(relayed_parse(&relayed, word, (size_t)settings->held_count));
	for (size_t i = relayed.first; i <= relayed.last && relay->door_count < (size_t)settings->held_count; i++) {
		Door *door = &relay->doors[relay->door_count++];
		*door = (Door){{relay_datagrams_ready}, (int)settings->held_fd + (int)i,
			(uint16_t)(relayed.port + (i - relayed.first))};
		TRY(open_door(relay, door));
	}
	return NULL;
}

/* ---- beginning ---- */

/* Half of the descriptors may be flows'. */
static void set_bounds(Relay *relay)
{
	struct rlimit limit = {.rlim_cur = 0};
	rlim_t used = relay->door_count + OWN_FDS;

	getrlimit(RLIMIT_NOFILE, &limit);
	size_t rest = limit.rlim_cur > used ? (size_t)(limit.rlim_cur - used) : 0;
	relay->flow_max = rest / 2 < FLOWS_MAX ? rest / 2 : FLOWS_MAX;
	relay->pair_max =
		(rest - relay->flow_max) / PAIR_FDS < PAIRS_MAX ? (rest - relay->flow_max) / PAIR_FDS : PAIRS_MAX;
}

static fallible give_up_rights(void)
{
	TRY(confine_bounding(0));
	if (setgroups(0, NULL) < 0 || setresgid(NOBODY, NOBODY, NOBODY) < 0 || setresuid(NOBODY, NOBODY, NOBODY) < 0)
		return error_errno(errno, "could not become another user");
	return confine_capabilities(0);
}

static void shim_is_gone(Relay *relay, RelaySource *source, uint32_t events)
{
	(void)relay;
	(void)source;
	(void)events;
	_exit(0);
}

static fallible begin(Relay *relay, const ShimSettings *settings)
{
	static RelaySource life = {shim_is_gone};

	prctl(PR_SET_NAME, "kedge-shim");
	signal(SIGPIPE, SIG_IGN);
	if (setns((int)settings->netns_fd, CLONE_NEWNET) < 0)
		return error_errno(errno, "could not enter the host's network");
	close((int)settings->netns_fd);
	TRY(give_up_rights());
	TRY(read_target(relay, settings->relay_to));
	relay->epoll = epoll_create1(EPOLL_CLOEXEC);
	relay->streams_fd = epoll_create1(EPOLL_CLOEXEC);
	if (relay->epoll < 0 || relay->streams_fd < 0)
		return error_errno(errno, "could not prepare to wait");
	relay->doors = mem_array(NULL, (size_t)settings->held_count, sizeof(Door));
	for (size_t i = 0; i < settings->relay_ports.count; i++)
		TRY(open_doors(relay, settings, settings->relay_ports.items[i]));
	set_bounds(relay);
	if (!relay_watch(relay->epoll, relay->streams_fd, EPOLLIN, &relay->streams) ||
		!relay_watch(relay->epoll, (int)settings->life_fd, 0, &life))
		return error_errno(errno, "could not wait for events");
	return NULL;
}

/* ---- the loop ---- */

static bool is_idle(const Relay *relay)
{
	return !relay->pair_count && !relay->flow_count;
}

static bool must_tick(const Relay *relay)
{
	return is_idle(relay) || relay->flow_count || relay->connecting || relay->is_full;
}

static int tick_ms(const Relay *relay)
{
	int64_t idle_ms = relay->idle_ns / NANOS_PER_MILLI;

	return idle_ms < TICK_MS ? (int)idle_ms : TICK_MS;
}

static void tick(Relay *relay, int64_t now_ns, int64_t *last_ns)
{
	if (now_ns - *last_ns < tick_ms(relay) * NANOS_PER_MILLI)
		return;
	*last_ns = now_ns;
	relay_streams_tick(relay, now_ns);
	relay_datagrams_tick(relay, now_ns);
}

static void run(Relay *relay)
{
	int64_t busy_ns = clock_monotonic_ns(), ticked_ns = busy_ns, now_ns = busy_ns;
	struct epoll_event event;

	while (now_ns - busy_ns < relay->idle_ns) {
		int count = epoll_wait(relay->epoll, &event, 1, must_tick(relay) ? tick_ms(relay) : -1);
		RelaySource *source = count > 0 ? event.data.ptr : NULL;
		if (source)
			source->ready(relay, source, event.events);
		now_ns = clock_monotonic_ns();
		tick(relay, now_ns, &ticked_ns);
		if (source || !is_idle(relay))
			busy_ns = now_ns;
	}
}

Error *relay_serve(const ShimSettings *settings)
{
	static Relay relay = {.streams = {relay_streams_ready}};

	relay.idle_ns = settings->relay_idle_ms * NANOS_PER_MILLI;
	list_init(&relay.pairs);
	list_init(&relay.flows);
	TRY(begin(&relay, settings));
	run(&relay);
	return NULL;
}

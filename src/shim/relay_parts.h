// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * What the files of the relay share. One event is taken from the kernel at a time, so that whatever it says is gone may
 * be freed at once.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "base/list.h"

typedef struct Relay Relay;

typedef struct RelaySource {
	void (*ready)(Relay *relay, struct RelaySource *source, uint32_t events);
} RelaySource;

/* One of the held sockets. */
typedef struct Door {
	RelaySource source;
	int fd;
	uint16_t port; /* of the container */
} Door;

enum { FLOW_BUCKETS = 256 };

struct Relay {
	int epoll;
	struct sockaddr_storage target; /* the container's, with port 0 */
	socklen_t target_size;
	Door *doors;
	size_t door_count;
	int64_t idle_ns;
	/* relay_tcp.c */
	RelaySource streams; /* of an epoll(7) of all listening sockets, which is not watched while there is no room */
	int streams_fd;
	bool is_full;
	List pairs;
	size_t pair_count, pair_max;
	size_t connecting;
	/* relay_udp.c */
	List flows; /* the longest unused one is the first */
	struct Flow *buckets[FLOW_BUCKETS];
	size_t flow_count, flow_max;
};

/* relay.c */
bool relay_watch(int epoll, int fd, uint32_t events, RelaySource *source);
/* A socket on its way to the container's port; -1 and errno. */
int relay_connect(const Relay *relay, int type, uint16_t port);

/* relay_tcp.c */
void relay_streams_ready(Relay *relay, RelaySource *source, uint32_t events);
void relay_streams_tick(Relay *relay, int64_t now_ns);

/* relay_udp.c */
void relay_datagrams_prepare(Door *door);
void relay_datagrams_ready(Relay *relay, RelaySource *source, uint32_t events);
void relay_datagrams_tick(Relay *relay, int64_t now_ns);

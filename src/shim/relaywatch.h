// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * The shim's part in relaying: it waits at the relayed sockets while nobody comes. At the first connection or datagram
 * a relay is started (relay.h), a process of its own that takes over the waiting until it has been idle for a while;
 * one that was killed is followed by another when somebody waits to be served. The relay goes with the shim, however
 * that ends.
 */
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"
#include "shim/protocol.h"
#include "shim/settings.h"

typedef struct RelayWatch {
	int doors;                 /* epoll(7) of the relayed sockets; -1: none are */
	int netns;                 /* where the shim was before it entered the container's; -1 */
	int life;                  /* the relay ends when this is closed; -1 */
	pid_t process;             /* 0: none */
	int64_t rest_ns;           /* before that none is started */
	char to[SHIM_ADDRESS_MAX]; /* the container's address; "": none */
} RelayWatch;

/* Before the container's network is entered. */
fallible relaywatch_begin(RelayWatch *watch, const ShimSettings *settings);
/* To be polled for reading; -1: nothing is waited for now. */
int relaywatch_fd(const RelayWatch *watch, int64_t now_ns);
int64_t relaywatch_deadline(const RelayWatch *watch, int64_t now_ns); /* INT64_MAX: none */
void relaywatch_ready(RelayWatch *watch, const ShimSettings *settings);
/* The container's address is another one, or none (""): what is relayed so far ends, and who comes next is led there,
 * or sent away. */
void relaywatch_turn(RelayWatch *watch, const char *to);
void relaywatch_reap(RelayWatch *watch);
void relaywatch_end(RelayWatch *watch);

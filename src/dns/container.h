// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * One container: its view, and the sockets at 127.0.0.11 in its namespace. Everything that it makes us keep is bounded
 * by itself, so that one that asks without end gets failures, and the others their answers.
 */
#include "base/list.h"
#include "base/loop.h"
#include "dns/forward.h"
#include "dns/names.h"
#include "dns/servers.h"
#include "dns/view.h"

/* What all containers share. */
typedef struct Service {
	Loop *loop;
	Names *names;
	Forwarder *forwarder;
	HostServers host;
	size_t stream_count;
} Service;

typedef struct Stream Stream;

typedef struct Container {
	Service *service;
	View view;
	int udp, tcp; /* -1: not yet */
	Source *udp_source, *tcp_source, *tcp_again;
	List pending; /* questions that were passed on */
	size_t pending_count;
	List streams;
	size_t stream_count;
	unsigned generation;
} Container;

Container *container_new(Service *service);
Container *container_free(Container *container);
DEFINE_AUTOPTR(Container, container_free)
fallible container_set_sockets(Container *container, int take_udp, int take_tcp);

/* Where a question came from, and its answer goes. */
typedef struct Asker {
	Stream *stream; /* NULL: it came in a packet from this address */
	struct sockaddr_storage address;
	socklen_t address_length;
} Asker;

typedef enum AskResult {
	ASK_ANSWERED,
	ASK_PENDING, /* the answer goes to the asker later */
	ASK_DROPPED, /* it was no question */
} AskResult;

/* out: room for MESSAGE_MAX bytes, or MESSAGE_UDP_MAX where it came in a packet. */
AskResult container_ask(Container *container, const Asker *asker, const uint8_t *bytes, size_t length, uint8_t *out,
	size_t *ret_length);
void container_forget_stream(Container *container, const Stream *stream); /* nothing is answered there any more */

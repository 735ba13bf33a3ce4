// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Who listens to this shim: kedged, and one connection for each attached reader. Packets are sent at once or not at
 * all; what could not be sent is still owed and goes out when the connection takes it. A connection is known by its
 * place in the table, and by its bit in masks.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shim/protocol.h"

enum { CONNECTIONS_MAX = 32, REQUEST_MAX = 52 * 1024 };

enum {
	OWED_STATUS = 1,
	OWED_STARTED = 2,
	OWED_FINAL = 4,
	OWED_ENDS = 8 /* << stream: 16 stdout, 32 stderr */,
	OWED_OOM = 64,
	OWED_DETACHED = 128,
	OWED_HELD = 256 /* << stream: 512 stdout, 1024 stderr */
};

typedef struct Connection {
	int fd; /* -1: the place is free */
	uint32_t owed;
	bool wants[3];      /* by stream number */
	int64_t stalled_ns; /* since when nothing can be sent; 0: it can */
	int64_t held_ns;    /* since when it holds streams; 0: it does not */
} Connection;

typedef struct Connections {
	int listen_fd;
	Connection table[CONNECTIONS_MAX];
} Connections;

typedef enum SendResult { SENT, SEND_LATER, SEND_FAILED } SendResult;

typedef struct Packet {
	ShimMessage message;
	const void *head; /* of the payload */
	size_t head_length;
	const void *tail;
	size_t tail_length;
} Packet;

void connections_init(Connections *connections, int listen_fd);
/* Owes it the status. A full table refuses the newcomer. */
void connections_add(Connections *connections, int fd);
void connections_accept(Connections *connections); /* all that wait */
void connections_owe(Connections *connections, uint32_t owed);
void connection_mute(Connection *connection); /* owes and wants nothing any more */
void connection_close(Connection *connection);

SendResult connection_send(Connection *connection, const Packet *packet);
/* One request into memory of REQUEST_MAX bytes, with the descriptor that came with it, -1: none. 0: none there, -1: the
 * other side left. */
int connection_receive(Connection *connection, ShimHeader *ret_header, void *payload, int *ret_fd);

// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Clients whose sockets kedged has handed over (SHIM_CLIENT): what a program writes goes to them as it is read, in
 * frames or raw, and what they send goes into its standard input. kedged has no part in it any more: it may die or be
 * replaced.
 *
 * A client belongs to the streams and the input that it was added with, which must outlive it: clients_release() takes
 * everybody away from them. It has left when its socket is closed whole; one that ends only its sending still gets all
 * output. As Docker has it, the end of its sending is the end of the program's input when it was added with
 * `ends_input`, and without, it is the client's own end.
 *
 * A frame: one byte stream, three zero bytes, four bytes length, the bytes. Source: moby api/swagger.yaml,
 * ContainerAttach, "Stream format".
 */
#include <stdbool.h>
#include <stdint.h>

#include "base/keys.h"
#include "shim/connections.h"
#include "shim/input.h"
#include "shim/protocol.h"

enum { CLIENTS_MAX = 64 };

typedef struct Stream Stream;

typedef struct Client {
	int fd;
	bool is_used;
	bool is_watched; /* what poll(2) has found at its descriptor is its own: it was there before, and not another's
			  */
	bool is_framed;
	bool ends_input;
	bool is_leaving;    /* gets what it was promised and no more */
	bool has_detached;  /* by its keys; nobody was told yet */
	Stream *streams[3]; /* by stream number; NULL: not wanted */
	bool owes[3];       /* it still wants that stream's chunk */
	int busy;           /* the stream whose piece is under way; 0: none */
	size_t sent;        /* bytes of it, head and all */
	int64_t stalled_ns; /* since when nothing can be sent; 0: it can */
	Input *input;       /* NULL: none, or it has ended */
	Keys keys;          /* none for who has no terminal */
} Client;

typedef struct Clients {
	size_t top; /* places from here on were never used */
	Client table[CLIENTS_MAX];
} Clients;

typedef struct ClientSource {
	Stream *out, *err; /* NULL: none */
	Input *input;      /* NULL: none */
} ClientSource;

/* A request is a ShimClient, its keys, and input that came early. The descriptor is the client's from now on; one that
 * cannot be served is closed. */
void clients_add(Clients *clients, const ClientSource *source, const void *request, size_t length, int fd);
/* A stream has a new chunk: whoever wants it owes it. Gives how many. */
int clients_offer(Clients *clients, const Stream *stream);
void client_send(Client *client); /* what it takes now */
/* What poll(2) is to look for at this client: POLLIN, POLLOUT; 0: only that it has left. -1: nothing at all. */
short client_events(const Client *client);
void client_ready(Client *client, short events);
/* Sends; drops who has taken nothing for too long, and who is done. True: somebody has detached by its keys. */
bool clients_step(Clients *clients, int64_t now_ns, int64_t stall_ns);
int64_t clients_next_deadline(const Clients *clients, int64_t stall_ns); /* INT64_MAX: none */
/* Its streams have ended and its input is of no use: who has got everything is let go. True: all of them are. */
bool clients_release(Clients *clients, const ClientSource *source);
/* Nothing has begun: who handed them over still has their sockets, and tells them why. */
void clients_let_go(Clients *clients);
bool clients_are_gone(const Clients *clients);

// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Packets of words, each with its NUL, the first one says what it is, with descriptors where that takes any: what
 * kedged and the helpers that outlive it (base/companion.h) say to each other on a SOCK_SEQPACKET socket. Whoever does
 * not know a word passes the packet over.
 */
#include <stdbool.h>
#include <stddef.h>

#include "base/buffer.h"
#include "base/error.h"

enum { PACKET_MAX = 64 << 10, PACKET_FDS_MAX = 16 };

/* ---- writing: a Buffer with this limit ---- */
void packet_init(Buffer *packet, const char *verb);
void packet_add(Buffer *packet, const char *word); /* NULL is "" */

/* ---- reading ---- */
typedef struct Packet {
	char *bytes; /* ends with a NUL */
	size_t length;
	size_t at;               /* of the next word */
	int fds[PACKET_FDS_MAX]; /* -1: none; the receiver's */
} Packet;

const char *packet_next(Packet *packet); /* NULL at the end */
void packet_close(Packet *packet);       /* the descriptors that nobody took */

/* ---- a connection, which does not block ---- */
typedef enum PacketResult { PACKET_DONE, PACKET_LATER, PACKET_END } PacketResult;

PacketResult packet_send(int socket, const Buffer *packet, const int *fds); /* NULL, or they end with -1 */
/* Into memory that the next call uses again. */
PacketResult packet_receive(Packet *ret, int socket);

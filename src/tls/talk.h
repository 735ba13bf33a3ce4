// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * What kedged and its kedge-tls say to each other, on a SOCK_SEQPACKET socket: one byte a message, and descriptors. A
 * kedge-tls is asked for its listening sockets by a kedged that is newer than itself, or older: this format stays.
 *
 *   kedge-tls  TALK_ASK           a client is there: is there anything new?
 *   kedged     TALK_CERTIFICATES  with the files of CA, certificate, key and, where there is one, CRL, open for reading
 *              TALK_GO            nothing new
 *              TALK_RETIRE        no more clients; end after the last one
 *   kedge-tls  TALK_LISTENERS     to who connects to its own socket: its listening sockets. It retires.
 */
#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"

typedef enum TalkType {
	TALK_ASK = 'A',
	TALK_CERTIFICATES = 'C',
	TALK_GO = 'G',
	TALK_LISTENERS = 'L',
	TALK_RETIRE = 'R',
	TALK_NOTHING = 0, /* would block */
	TALK_END = -1,    /* the other side is gone, or says what is no message */
} TalkType;

enum { TALK_FDS_MAX = 8 };

/* Descriptors of kedge-tls when it starts; from TLS_LISTENER_FD on, its listening sockets. */
enum { TLS_CONTROL_FD = 3, TLS_TAKEOVER_FD, TLS_ROOT_FD, TLS_LISTENER_FD };

/* The names of kedged's sockets in the directory that is the root of kedge-tls. */
#define TLS_SOCKET_NAME "kedge.sock"
#define TLS_GUESTS_SOCKET_NAME "guests.sock" /* of those without a certificate */

fallible talk_send(int socket, TalkType type, const int *fds, size_t count);
/* The descriptors are the caller's. */
TalkType talk_receive(int socket, int ret_fds[TALK_FDS_MAX], size_t *ret_count);

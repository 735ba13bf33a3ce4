// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * What one kedged hands to the next, which may be the same process: the listening sockets, in systemd's form
 * ($LISTEN_FDS and $LISTEN_PID, sd_listen_fds(3)), so that a service manager that keeps them across a restart can do
 * the same, each followed by a descriptor with its connections (http_server_hand_over()); a file in memory
 * (memfd_create(2)); and the children that the old program had.
 */
#include "base/loop.h"

enum { HANDED_MAX = 9 };

typedef struct HandedSocket {
	const char *path;
	const char *group;
	int fd;             /* -1 before handed_listen() */
	int connections_fd; /* -1: none were handed over */
} HandedSocket;

/* For each the socket that was handed over, if it is the one at its path; otherwise a new one, which refuses to push
 * out a live server. The variables are gone after it. On failure those that were opened stay open. */
fallible handed_listen(HandedSocket *sockets, size_t count);
/* After handed_listen(): the file in memory that came along, once, the caller's; -1: none did. */
int handed_memory(void);
/* Becomes program: returns only an error. These descriptors, of which -1 is none, are all that the program gets. */
fallible handed_over(const int *fds, size_t count, const char *program, char *const *argv);
/* Children that this process had before it became this program are reaped as they end. */
fallible handed_children(Loop *loop);

// SPDX-License-Identifier: Apache-2.0
#pragma once
/* Messages that may carry one descriptor with them (SCM_RIGHTS), see unix(7). Neither waits. */
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/uio.h>

/* fd -1: none. As sendmsg(2). */
ssize_t passed_send(int socket, struct iovec *parts, size_t count, int fd);
/* As recvmsg(2). *ret_fd: -1 when none came. Who leaves without having read everything resets the connection: what it
 * said before that is behind the error, and is what is given. */
ssize_t passed_receive(int socket, struct iovec *parts, size_t count, int *ret_fd);

// SPDX-License-Identifier: Apache-2.0
#pragma once
/* Where TCP is listened at: "127.0.0.1:2376", "[::1]:2376". Numbers alone, a name may mean something else tomorrow. */
#include <stdbool.h>
#include <sys/socket.h>

#include "base/error.h"

enum { TCP_ADDRESS_TEXT_MAX = 64 };

typedef struct TcpAddress {
	struct sockaddr_storage storage;
	socklen_t length;
} TcpAddress;

fallible tcp_address_parse(TcpAddress *ret, const char *text);
void tcp_address_text(char ret[TCP_ADDRESS_TEXT_MAX], const TcpAddress *address);
bool tcp_address_equal(const TcpAddress *a, const TcpAddress *b);
/* A listening socket that does not block. The address need not be the machine's yet: networks come later than kedged.
 */
fallible tcp_address_listen(int *ret_fd, const TcpAddress *address);
/* Whether fd is a listening socket, and where. */
bool tcp_address_of_listener(TcpAddress *ret, int fd);
/* A connection, on either side: sent at once, and broken off when a peer that has lost its power says nothing any more.
 */
void tcp_address_prepare(int fd);

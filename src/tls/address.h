// SPDX-License-Identifier: Apache-2.0
#pragma once
/* Where TCP is listened at: "127.0.0.1:2376", "[::1]:2376". Numbers alone, a name may mean something else tomorrow. */
#include <stdbool.h>
#include <sys/socket.h>

#include "base/error.h"

enum { ADDRESS_TEXT_MAX = 64 };

typedef struct Address {
	struct sockaddr_storage storage;
	socklen_t length;
} Address;

fallible address_parse(Address *ret, const char *text);
void address_text(char ret[ADDRESS_TEXT_MAX], const Address *address);
bool address_equal(const Address *a, const Address *b);
/* A listening socket that does not block. The address need not be the machine's yet: networks come later than kedged.
 */
fallible address_listen(int *ret_fd, const Address *address);
/* Whether fd is a listening socket, and where. */
bool address_of_listener(Address *ret, int fd);
/* A connection, on either side: sent at once, and broken off when a peer that has lost its power says nothing any more.
 */
void address_prepare(int fd);

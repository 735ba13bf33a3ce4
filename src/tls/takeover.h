// SPDX-License-Identifier: Apache-2.0
#pragma once
/* How a kedged comes by the listening sockets of the kedge-tls that the one before it has left: by a socket in
 * <run dir>/tls, which is root's alone. */
#include <stddef.h>

#include "base/error.h"
#include "tls/talk.h"

/* For the kedge-tls that is about to be started. */
fallible takeover_listen(int *ret_fd, const char *directory);
/* The sockets are the caller's; none when there is no such kedge-tls. It retires. Waits for it, two seconds at most:
 * not for the loop. */
void takeover_from_last(int ret_fds[TALK_FDS_MAX], size_t *ret_count, const char *directory);

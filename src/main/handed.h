// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * What one kedged hands to the next, which may be the same process: the listening socket, in systemd's form
 * ($LISTEN_FDS and $LISTEN_PID, sd_listen_fds(3)), so that a service manager that keeps it across a restart can do the
 * same; and the children that the old program had.
 */
#include "base/loop.h"

/* The socket that was handed over, if it is the one at path; otherwise a new one, which refuses to push out a live
 * server. The variables are gone after it. */
fallible handed_listen(int *ret_fd, const char *path, const char *group);
/* Becomes program: returns only an error. listen_fd is all that the program gets. */
fallible handed_over(int listen_fd, const char *program, char *const *argv);
/* Children that this process had before it became this program are reaped as they end. */
fallible handed_children(Loop *loop);

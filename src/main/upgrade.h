// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Upgrade in place. On HUP kedged becomes the program that lies where it was started from, with the configuration as it
 * is now: the same process, the same listening sockets. First the new program is asked whether it likes the
 * configuration (--check-config); one that does not, or does not run at all, is not taken, and nothing has happened.
 * Then no more connections are accepted: they wait in the sockets' queues, while those that were accepted are answered
 * (for at most two seconds; streams that may last are cut). Containers are adopted by the new program as after any
 * restart.
 */
#include "docker/api.h"

typedef struct Upgrade Upgrade;

/* argv: the program's, which lives as long as the process. */
fallible upgrade_new(Upgrade **ret, Loop *loop, DockerApi *api, char *const *argv);
/* The listening sockets, the caller's, and their number when the loop was stopped for an upgrade; 0 when it was not. */
size_t upgrade_take_sockets(Upgrade *upgrade, int ret_fds[DOCKER_SOCKETS_MAX]);
Upgrade *upgrade_free(Upgrade *upgrade);
DEFINE_AUTOPTR(Upgrade, upgrade_free)
/* Where this program lies, or its successor. */
fallible upgrade_program(char **ret);

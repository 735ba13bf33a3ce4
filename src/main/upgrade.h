// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Upgrade in place. On HUP kedged becomes the program that lies where it was started from, with the configuration as it
 * is now: the same process, the same listening socket. First the new program is asked whether it likes the
 * configuration (--check-config); one that does not, or does not run at all, is not taken, and nothing has happened.
 * Then no more connections are accepted: they wait in the socket's queue, while those that were accepted are answered
 * (for at most two seconds; streams that may last are cut). Containers are adopted by the new program as after any
 * restart.
 */
#include "docker/api.h"

typedef struct Upgrade Upgrade;

/* argv: the program's, which lives as long as the process. */
fallible upgrade_new(Upgrade **ret, Loop *loop, DockerApi *api, char *const *argv);
/* The listening socket when the loop was stopped for an upgrade, the caller's; -1 when it was not. */
int upgrade_take_socket(Upgrade *upgrade);
Upgrade *upgrade_free(Upgrade *upgrade);
DEFINE_AUTOPTR(Upgrade, upgrade_free)
/* Where this program lies, or its successor. */
fallible upgrade_program(char **ret);

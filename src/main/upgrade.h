// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Upgrade in place. On HUP kedged becomes the program that lies where it was started from, with the configuration as it
 * is now: the same process, the same listening sockets. First the new program is asked whether it likes the
 * configuration (--check-config); one that does not, or does not run at all, is not taken, and nothing has happened.
 * Then what takes its time (a pull, a stop) is waited for, so long as the configuration says, while everybody is
 * served; what is not done by then is told so. Then no more connections are accepted: they wait in the sockets' queues,
 * while those that were accepted are answered, for at most two seconds. Connections on which nothing is asked, and
 * streams that may last (http_stream_on_carry()), go on in the new program. Containers are adopted by it as after any
 * restart.
 */
#include "docker/api.h"

typedef struct Upgrade Upgrade;

/* argv: the program's, which lives as long as the process. */
fallible upgrade_new(Upgrade **ret, Loop *loop, DockerApi *api, int64_t patience_ns, char *const *argv);
enum { UPGRADE_FDS_MAX = 2 * DOCKER_SOCKETS_MAX };
/* What handed_over() takes, the caller's, and its number when the loop was stopped for an upgrade; 0 when it was not.
 */
size_t upgrade_take_sockets(Upgrade *upgrade, int ret_fds[UPGRADE_FDS_MAX]);
Upgrade *upgrade_free(Upgrade *upgrade);
DEFINE_AUTOPTR(Upgrade, upgrade_free)
/* Where this program lies, or its successor. */
fallible upgrade_program(char **ret);

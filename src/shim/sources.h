// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Sources of binds that the runtime could not take as they are, each bound at <bundle>/sources/N first, in the shim's
 * mount namespace. They are told as "N:KIND:PATH":
 *
 *   flat         PATH without what is mounted below it: crun binds that as well, whatever it is told
 *   shared       PATH as a peer of the host's mount: what the container mounts there is mounted on the host
 *   shared-flat  both
 *   part         "DIRECTORY//PATH": within a directory in which others may put links, none of which leads out of it
 */
#include "shim/settings.h"

#define SOURCES_DIRECTORY "sources" /* of the bundle */

/* The host's mount namespace, which shared sources are taken from; -1: there are none. Before the shim leaves it. */
fallible sources_open_host(int *ret_fd, const ShimSettings *settings);
/* Looking at them may take for ever; changes the working directory. */
fallible sources_bind(const ShimSettings *settings, int host);

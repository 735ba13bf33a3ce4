// SPDX-License-Identifier: Apache-2.0
#pragma once
/* Published ports, at the start of a container that has some. */
#include "engine/network_internal.h"

/* Chooses a host port for each, and binds sockets to it: who else wants it hears that it is taken. The bindings and the
 * sockets are in the container's run. ERROR_INTERNAL names the container or the process that has one already. */
fallible ports_hold(Container *container);
int protocol_number(int protocol); /* IPPROTO_ of a Protocol */

/* ---- port_owner.c ---- */
/* "process 123 (nginx)", owned; NULL: nobody is found. Looks through all processes. */
char *port_owner(int protocol, int64_t port);

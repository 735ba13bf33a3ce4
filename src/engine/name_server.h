// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * What kedge-dns (dns/client.h) is told of containers. One on a network that somebody has made asks it for names, at
 * 127.0.0.11 in its namespace; on the default network there are none, as with Docker, and links are in files. Its
 * sockets are there before the container starts: what is asked before kedge-dns has them waits in them.
 */
#include "engine/container_internal.h"

/* Of those that it has something on now: so many have names. */
size_t container_named_networks(const Container *container);
bool container_has_names(const Container *container);

fallible name_server_open(Engine *engine); /* the containers are restored: what is not among them is dropped */
void name_server_close(Engine *engine);    /* kedge-dns goes on */

/* It starts, or joins its first such network; namespace_fd: its network namespace. */
fallible name_server_attach(Container *container, int namespace_fd);
/* What it has on its networks, or its name, has changed. */
void name_server_tell(Container *container);
void name_server_leave(Container *container, const char *network_id); /* before it is told */
void name_server_forget(Container *container);                        /* its run is over */

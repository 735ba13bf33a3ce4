// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * What one container may ask for: the names of its networks, and its links. Source of the order: moby's
 * daemon/libnetwork/sandbox.go, ResolveName(): "a.b.c" is first looked for as it is, then as "a.b" in a network "c",
 * then as "a" in a network "b.c"; each time among links, then in the networks one after the other.
 */
#include <stdbool.h>
#include <stddef.h>

#include "dns/message.h"
#include "dns/names.h"
#include "dns/servers.h"

typedef struct ViewNetwork {
	char *id, *name; /* the name in lower case */
} ViewNetwork;

typedef struct ViewLink {
	char *name, *network, *container; /* the name in lower case; network "": any */
} ViewLink;

typedef struct View {
	char *container;
	ViewNetwork *networks;
	size_t network_count;
	ViewLink *links;
	size_t link_count;
	ServerList servers; /* its own; none: the host's */
	bool may_forward;
} View;

void view_clear(View *view);
void view_add_network(View *view, const char *id, const char *name);
void view_add_link(View *view, const char *name, const char *network, const char *container);

/* NULL: nobody that it may know has such a name or address, and the question is for others. */
Reply *view_answer(const View *view, Names *names, const Question *question);
/* A server with this address is the container itself. */
bool view_is_own_address(const View *view, const Names *names, const Server *server);

// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * kedge-dns as the engine sees it: the one process of the device that answers containers at 127.0.0.11. It is found
 * again by the next kedged through <run dir>/dns/dns.sock, and started again when it was killed.
 *
 * Nothing is remembered here. The engine says what it knows whenever it is asked to by `ready`, and each change
 * afterwards; all of it is "set", again and again the same is fine. While there is no connection whatever is said is
 * dropped, since `ready` will ask for everything. What `ready` does not name is dropped by kedge-dns, with the sockets:
 * a socket keeps its namespace, and the links in it, from going.
 * Nothing here blocks; nothing but dns_open() fails: what cannot be done now is logged and tried again.
 */
#include "base/loop.h"
#include "base/strings.h"

typedef struct Dns Dns;

typedef struct DnsHandlers {
	/* There is a kedge-dns that has been told nothing, or told by an earlier kedged: dns_names_set() and
	 * dns_view_set() for everything that there is, before this returns. */
	void (*ready)(void *arg);
} DnsHandlers;

/* run_dir: where `dns/` is made, root's alone. program: kedge-dns. Connects to the one that an earlier kedged has left,
 * if it did, but starts none. Strings are copied. */
fallible dns_open(
	Dns **ret, Loop *loop, const char *run_dir, const char *program, const DnsHandlers *handlers, void *arg);
Dns *dns_close(Dns *dns); /* kedge-dns goes on; NULL is fine; returns NULL */
DEFINE_AUTOPTR(Dns, dns_close)

/* A container is on a network with names: from now on there shall be a kedge-dns. Again and again is fine. */
void dns_need(Dns *dns);
bool dns_is_ready(const Dns *dns); /* what is said is heard */

/* ---- names: what one container is called on one network ---- */
typedef struct DnsNames {
	const char *network_id, *container_id;
	const StringList *names; /* in any case; the first one is told to who asks for an address */
	const char *ipv4, *ipv6; /* "172.18.0.2"; NULL or "": none */
} DnsNames;

void dns_names_set(Dns *dns, const DnsNames *names);
void dns_names_remove(Dns *dns, const char *network_id, const char *container_id);

/* ---- views: what one container may ask for ---- */
typedef struct DnsNetwork {
	const char *id, *name; /* "web" and "web.<name>" are both known */
} DnsNetwork;

typedef struct DnsLink {
	const char *name, *container_id;
	const char *network_id; /* NULL: the first of the view's networks that the other one is on */
} DnsLink;

typedef struct DnsView {
	const DnsNetwork *networks; /* the first one that knows a name answers */
	size_t network_count;
	const DnsLink *links; /* before other names */
	size_t link_count;
	const StringList *servers; /* its own, addresses; NULL or none: those of the host, which are followed */
	bool may_forward;          /* false: all of its networks are internal */
} DnsView;

/* For containers of which it has no sockets yet (it was started again, or the container was). */
bool dns_has_sockets(const Dns *dns, const char *container_id);
/* take_udp, take_tcp: bound to 127.0.0.11 in the container's namespace, the TCP socket listening; both, or -1 and -1
 * when it has them. Those that it had are closed for new ones. */
void dns_view_set(Dns *dns, const char *container_id, const DnsView *view, int take_udp, int take_tcp);
void dns_view_remove(Dns *dns, const char *container_id); /* closes them */

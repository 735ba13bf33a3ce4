// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * A helper process that outlives kedged (kedge-dns, kedge-log), as the engine sees it (base/attendant.h is the other
 * side): one for the device, found again by the next kedged through its socket in the run directory, and started again
 * when it was killed.
 *
 * Nothing is remembered here. What is to be known over there is said whenever `ready` asks for everything, and with
 * each change afterwards. While there is no connection whatever is said is dropped. What is not said between the
 * packets "begin" and "end", which surround `ready`, is dropped over there. The other side says "hello VERSION" first;
 * one of another version is told to "retire", and another is started; then what it likes, and "ready". Nothing here
 * blocks; nothing but companion_open() fails: what cannot be done now is logged and tried again.
 */
#include "base/loop.h"
#include "base/packet.h"

typedef struct Companion Companion;

enum { COMPANION_FD = 3 }; /* in the helper: its first connection */

typedef struct CompanionKind {
	const char *name;      /* "kedge-dns" */
	const char *directory; /* "dns": in the run directory; the socket is dns.sock there */
	const char *version;
	const char *work;         /* what it does, for the log: "names are answered" */
	void (*ready)(void *arg); /* everything is to be said before this returns */
	void (*gone)(void *arg);  /* there is no connection now */
	/* What else it says; may be NULL. */
	void (*packet)(void *arg, const char *verb, Packet *packet);
} CompanionKind;

/* run_dir: where the directory is made, root's alone. program: its path. Connects to the one that an earlier kedged has
 * left, if it did, but starts none. The kind's strings live as long. */
fallible companion_open(
	Companion **ret, Loop *loop, const char *run_dir, const char *program, const CompanionKind *kind, void *arg);
Companion *companion_close(Companion *it); /* the helper goes on; NULL is fine; returns NULL */
DEFINE_AUTOPTR(Companion, companion_close)

void companion_need(Companion *it); /* from now on there shall be one; again and again is fine */
bool companion_is_ready(const Companion *it);
/* Behind what waits already. take_fds: NULL, or a list that ends with -1; those that are -1 afterwards were kept, the
 * others are still the caller's. */
void companion_say(Companion *it, Buffer *packet, int *take_fds);

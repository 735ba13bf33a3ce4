// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * The helper's side of base/companion.h: it serves one connection, the newest, which is that of the kedged that lives,
 * greets it, and hands out what it says. It goes on when kedged dies; with neither a kedged nor anything to do it stops
 * the loop, as it does when it is told to retire.
 */
#include "base/companion.h"
#include "base/strings.h"

typedef struct Attendant Attendant;

typedef struct AttendantVerb {
	const char *verb;
	void (*handle)(void *arg, Packet *packet); /* descriptors that it leaves in the packet are closed */
} AttendantVerb;

typedef struct AttendantKind {
	const char *version;
	const AttendantVerb *verbs; /* ends with {0} */
	int64_t linger_ns;          /* so long it waits for the next kedged with nothing to do */
	bool (*is_idle)(const void *arg);
	/* What the greeting says in packets "held NAME...", between "hello" and "ready"; NULL: nothing. */
	void (*held)(const void *arg, StringList *names);
} AttendantKind;

typedef struct AttendantSockets {
	int listener;   /* of kedgeds */
	int connection; /* to the one that has started the helper; -1: none */
} AttendantSockets;

/* Before rights are given up. A socket that nobody answers at is replaced; program is the name for errors. */
fallible attendant_listen(AttendantSockets *ret, const char *program, const char *path);

/* Takes the sockets, also when it fails. The kind lives as long. */
fallible attendant_new(
	Attendant **ret, Loop *loop, const AttendantSockets *take_sockets, const AttendantKind *kind, void *arg);
Attendant *attendant_free(Attendant *it); /* NULL is fine; returns NULL */
DEFINE_AUTOPTR(Attendant, attendant_free)

void attendant_finished(Attendant *it); /* something is done: when nothing else comes, it may have been the last */

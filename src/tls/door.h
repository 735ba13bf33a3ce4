// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * The API over TLS, seen from kedged: listening sockets, certificates, and the kedge-tls that has them. It connects to
 * a socket of kedged in a directory that nobody else can enter. Nothing wrong here keeps kedged from starting: it is
 * logged, and tried again. A kedge-tls goes on when kedged is killed or upgraded; the next kedged takes its listening
 * sockets over and starts one of its own, so that no connection is refused.
 */
#include "base/loop.h"
#include "tls/config.h"

typedef struct Door Door;

typedef struct DoorPlace {
	const char *run_dir, *libexec_dir;
} DoorPlace;

/* Where kedged is to listen for kedge-tls: for those with a certificate, and for those without; the directories are
 * made. */
fallible door_prepare(char **ret_socket, char **ret_guests_socket, const DoorPlace *place);
/* After kedged listens there. */
fallible door_new(Door **ret, Loop *loop, const TlsConfig *config, const DoorPlace *place);
/* Nobody is let in any more; who is in stays until kedged closes. Without it, kedge-tls waits for the next kedged. */
void door_shut(Door *door);
Door *door_free(Door *door);
DEFINE_AUTOPTR(Door, door_free)

/* A configuration without TCP: what an earlier kedged left open is closed. */
void door_remove(const DoorPlace *place);
/* Whether the certificates can be used; the error says which cannot, and why. Waits for kedge-tls: not for the loop. */
fallible door_check(const TlsConfig *config, const char *libexec_dir);

// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * A container's /etc/resolv.conf out of the host's and what the caller asked for. Texts in, text out: touches nothing.
 * Source: resolv.conf(5), and what Docker does: each of the three lists that is given replaces the host's.
 */
#include <stdbool.h>

#include "base/buffer.h"
#include "base/strings.h"

typedef struct ResolvWish {
	const StringList *servers, *search, *options; /* "." alone as search: none */
	bool has_names;                               /* kedge-dns answers it, and knows the servers */
	bool is_private; /* a network of its own: the host's servers on loopback are out of reach, and left out */
} ResolvWish;

void resolv_conf_write(Buffer *out, const char *host, const ResolvWish *wish);
/* All that it names is systemd-resolved on loopback: its servers are in another file then. */
bool resolv_conf_is_stub(const char *host);

// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * What surrounds kedge-dns: a user without rights and capabilities who may do no more than use sockets, make new ones
 * that ask name servers, and read files that everybody may (resolv.conf). It sees the host's network, since that is
 * where it asks, and enters no other namespace.
 */
#include <stddef.h>

#include "base/error.h"

/* As root, with one thread. */
fallible dns_jail_enter(const char *user);

// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * What surrounds the process that speaks to registries. After fetch_jail_enter() it is somebody without rights and
 * capabilities, in a mount namespace whose read-only root holds copies of the files that name resolution reads
 * (resolv.conf, hosts, gai.conf) and nothing else; it can open files for reading alone, make sockets for IP alone,
 * start no program and no other process, mount nothing and trace nobody. The network stays the host's. Names are
 * resolved by "hosts" and DNS, whatever nsswitch.conf says: other modules would need their sockets and libraries in
 * here.
 */
#include "base/error.h"

/* As root, with one thread, after the libraries have read their configuration. */
fallible fetch_jail_enter(const char *user);

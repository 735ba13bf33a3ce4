// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * What surrounds kedge-log: a user without rights and capabilities, of root's group, which may read logs through the
 * directories that it is handed (0750, their files 0640). It uses sockets, reads files, and writes into descriptors
 * that it was given; it starts nothing and opens nothing for writing.
 */
#include "base/error.h"

/* As root, with one thread. */
fallible log_jail_enter(const char *user);

// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * One kedge-pack process and what it writes, as it comes: archives and sizes of trees are made outside of the loop.
 * Memory is bounded: a paused Pack stops reading, and the process waits. Freeing it, at any time, kills the process and
 * leaves nothing behind.
 */
#include "engine/engine.h"

typedef struct Pack Pack;

typedef struct PackHandlers {
	void (*data)(void *arg, const char *data, size_t length);
	/* Once, the last call; everything was delivered. May free the Pack. */
	void (*ended)(void *arg, Error *take_error);
} PackHandlers;

enum { PACK_ARGUMENTS_MAX = 8, PACK_ROOT_FD = 3 };
#define PACK_ROOT "/proc/self/fd/3" /* the argument for PackOptions.root_fd */

typedef struct PackOptions {
	const char *arguments[PACK_ARGUMENTS_MAX]; /* of kedge-pack; ends with NULL */
	const char *directory;                     /* to run in; NULL: any */
	int root_fd;                               /* borrowed; 0: none */
	const Buffer *input;                       /* what it reads; NULL: nothing */
	const StringList *leases;                  /* digests that the store keeps meanwhile; NULL: none */
} PackOptions;

/* A Pack whose process is still to be started: once, by pack_begin(), or it ends by pack_fail(). */
Pack *pack_new(Engine *engine, const PackHandlers *handlers, void *arg);
void pack_own(Pack *pack, void (*free)(void *object), void *object); /* freed with the Pack */
fallible pack_begin(Pack *pack, const PackOptions *options);
void pack_fail(Pack *pack, Error *take_error); /* told as its end: the Pack may be gone afterwards */

fallible pack_start(Pack **ret, Engine *engine, const PackOptions *options, const PackHandlers *handlers, void *arg);
void pack_pause(Pack *pack, bool paused);
Pack *pack_free(Pack *pack);
DEFINE_AUTOPTR(Pack, pack_free)

// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * What a device keeps: <root>/kedge.db (SQLite, WAL, synchronous=FULL) and beside it blobs/, layers/, containers/,
 * volumes/, staging/, trash/ and the file reserve. One process at a time has it open. Other headers of this folder:
 * blobs.h, layers.h, images.h, records.h, snapshots.h, volumes.h, check.h.
 *
 * What is durable when (invariant 2): record_*, image_*, layers_commit and blob_put are durable when they return.
 * blob_commit and blob_import are a rename, durable after the next store_sync(); image_put and layers_commit do that
 * sync themselves where the caller has not, so that no transaction ever speaks of a blob that a power cut could take.
 * The content of a staged layer is the caller's to sync: store_sync() or store_sync_start() after its last byte, before
 * layers_commit().
 *
 * Opening recovers and never fails because of what it finds: staging goes to the trash (partial blobs stay for a
 * resumed download: the newest 32, at most a week old), layers and containers/ directories without a record too; a
 * record whose files are gone, or a damaged one, is set aside and named in the log. A damaged database is read row by
 * row into a new one and kept as kedge.db.bad-<n>. A store of a newer version is ERROR_UNSUPPORTED and stays as it is;
 * one that another process has open is ERROR_CONFLICT.
 *
 * A full disk (invariant 7): reserve holds 8 MiB, given up in steps of 1 MiB to transactions and to renames into the
 * trash that met ENOSPC, so that records can be changed and things be deleted; a new record needs 1 MiB beside it. It
 * is made again when 64 MiB are free, and not at all on a smaller disk. What does not fit is ERROR_UNAVAILABLE with a
 * hint.
 */
#include <stdbool.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/loop.h"

typedef struct Store Store;
typedef struct StoreSync StoreSync;

/* Opening in two steps: from the first on it is ours, whoever had it before is gone, and nothing of it can be used. */
fallible store_claim(Store **ret, const char *root);
fallible store_load(Store *store);
fallible store_open(Store **ret, const char *root); /* both */
Store *store_close(Store *store);
DEFINE_AUTOPTR(Store, store_close)
void store_trim(Store *store);              /* gives back memory that it keeps to be fast */
const char *store_root(const Store *store); /* absolute */
int store_dir(const Store *store);          /* descriptor of root, borrowed */

/* Everything that steps changes in records and images is one transaction and one sync. steps may run twice, so it
 * changes nothing else. */
fallible store_batch(Store *store, Error *(*steps)(void *arg), void *arg);

/* So little space is left that an image does not fit. */
bool store_is_full(const Store *store);

/* One syncfs for everything staged and committed so far. It takes as long as the disk needs for what is not yet
 * written. */
fallible store_sync(Store *store);
/* The same without waiting, for the loop's sake; done runs once, from the loop. Freeing it means that done does not
 * run. */
fallible store_sync_start(
	StoreSync **ret, Store *store, Loop *loop, void (*done)(void *arg, Error *take_error), void *arg);
StoreSync *store_sync_free(StoreSync *sync);
DEFINE_AUTOPTR(StoreSync, store_sync_free)

/* Renames <root>/path into trash/ at once; the tree is removed later by store_sweep(). Absent is fine. */
fallible store_discard(Store *store, const char *path);
/* Removes a few files of what is in the trash, about a millisecond's work; *ret_more says whether there is more to do.
 */
fallible store_sweep(Store *store, bool *ret_more);
/* Layers and blobs that no image, pin or lease holds go to the trash. */
fallible store_collect(Store *store);
/* A lease keeps a blob or layer (by digest or diff id text) from being collected while a job needs it. Leases count,
 * and end with the process. */
void store_lease(Store *store, const char *digest);
void store_lease_end(Store *store, const char *digest);

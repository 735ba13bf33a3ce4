// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * What a device keeps: <root>/kedge.db (SQLite, WAL, synchronous=FULL) and beside it blobs/, layers/, containers/, staging/, trash/.
 * Opening recovers: staging and trash are emptied (trash later, in steps), records whose files are gone are set aside and named in the log, never an
 * error (invariant 2). Other headers of this folder: blobs.h, layers.h, images.h, records.h, snapshots.h.
 */
#include "base/cleanup.h"
#include "base/error.h"
#include "base/loop.h"

typedef struct Store Store;

fallible store_open(Store **ret, const char *root);
Store *store_close(Store *store);
DEFINE_AUTOPTR(Store, store_close)
const char *store_root(const Store *store);
int store_dir(const Store *store); /* descriptor of root, borrowed */
/* Renames <root>/path into trash/ at once; the tree is removed later by store_sweep(). Absent is fine. */
fallible store_discard(Store *store, const char *path);
/* Removes one trashed tree; *ret_more says whether there are others. Called from a low-priority timer. */
fallible store_sweep(Store *store, bool *ret_more);
/* Unreferenced layers and blobs that no lease holds go to the trash. */
fallible store_collect(Store *store);
/* A lease keeps a blob or layer (by digest or diff id text) from being collected while a job needs it. */
void store_lease(Store *store, const char *digest);
void store_lease_end(Store *store, const char *digest);

// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * The store's own consistency check, behind `kedge system check`: the database, checksums of records, sizes of blobs,
 * directories of layers and containers, what nothing refers to, what was set aside. It reads no blob's content; a
 * digest is verified by whoever uses the blob.
 */
#include <stdbool.h>

#include "store/store.h"

/*
 * Reports one problem a call. With repair each is put right: unusable records are set aside, stray files go to the
 * trash, and so does what earlier recoveries had set aside, with the containers' directories and damaged databases that
 * were kept for it.
 */
fallible store_check(Store *store, bool repair, void (*report)(void *arg, const char *problem), void *arg);

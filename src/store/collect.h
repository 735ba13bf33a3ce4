// SPDX-License-Identifier: Apache-2.0
#pragma once
/* What keeps blobs alive, for store_collect() and the check. */
#include "store/internal.h"

/*
 * While containers run whose records, or whose images' records, were lost with the database, nobody knows which layers
 * they stand on: nothing is collected before the next boot, or before the images are pulled again or the containers
 * removed.
 */
fallible collect_is_blocked(Store *store, bool *ret);
fallible blobs_in_use(Store *store, Table *ret); /* digest -> not NULL */

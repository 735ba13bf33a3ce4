// SPDX-License-Identifier: Apache-2.0
#pragma once
/* What keeps blobs alive, for store_collect() and the check. */
#include "store/internal.h"

fallible blobs_in_use(Store *store, Table *ret); /* digest -> not NULL */

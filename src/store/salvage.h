// SPDX-License-Identifier: Apache-2.0
#pragma once
/* Opening a database whatever its state: of a damaged one each row that can still be read goes into a new one. */
#include "store/database.h"

/*
 * *ret_lost says that records may be missing: the database was damaged, or is new where one was expected. The damaged
 * file stays as kedge.db.bad-<n>.
 */
fallible database_open_or_salvage(Database **ret, bool *ret_lost, int dir, const char *path);

// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * The tables of kedge.db. Their version is SQLite's user_version; an older database is brought up step by step when it
 * is opened, a newer one is refused before anything is written (a downgrade must be able to turn back).
 */
#include "store/database.h"

fallible schema_check_file(const char *path); /* by the file's header alone */
fallible schema_check(Database *database);    /* by what the connection says, WAL included */
fallible schema_migrate(Database *database, bool *ret_is_new);

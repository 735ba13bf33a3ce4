// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Hash table from strings to pointers. Keys are copied; values are the caller's. Iteration is in no order and survives
 * removal of the current key.
 */
#include <stdbool.h>
#include <stddef.h>

#include "base/cleanup.h"

typedef struct Table Table;

Table *table_new(void);
Table *table_free(Table *table); /* values are not touched */
DEFINE_AUTOPTR(Table, table_free)
void *table_get(const Table *table, const char *key);        /* NULL when absent */
void *table_set(Table *table, const char *key, void *value); /* gives the old value */
void *table_remove(Table *table, const char *key);           /* gives the old value */
size_t table_count(const Table *table);
bool table_next(const Table *table, size_t *cursor, const char **ret_key, void **ret_value); /* cursor starts at 0 */

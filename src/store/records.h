// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Durable records of any kind ("container"): a JSON document by id, with a name that is unique within its kind. A call that returned NULL survives a power cut.
 */
#include "store/store.h"

/* Inserts or replaces. name NULL: none. ERROR_CONFLICT when another id has the name. */
fallible record_put(Store *store, const char *kind, const char *id, const char *name, const char *json);
fallible record_delete(Store *store, const char *kind, const char *id); /* absent is fine */
fallible record_each(Store *store, const char *kind, void (*visit)(void *arg, const char *id, const char *name, const char *json), void *arg);

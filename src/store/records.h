// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Durable records of any kind ("container"): a JSON document by id, with a name that is unique within its kind. A call
 * that returned NULL survives a power cut; several become one transaction in store_batch(). Each document carries a
 * checksum.
 */
#include "store/store.h"

enum { RECORD_MAX = 4 << 20 };

/* Inserts or replaces. name NULL: none. ERROR_CONFLICT when another id has the name. */
fallible record_put(Store *store, const char *kind, const char *id, const char *name, const char *json);
/* Absent is fine. Of kind "container": its pin on an image (images.h) goes in the same transaction. */
fallible record_delete(Store *store, const char *kind, const char *id);
/* In the order of their first record_put(). visit may put or delete the record that it is given. Damaged ones are set
 * aside, not visited. */
fallible record_each(Store *store, const char *kind,
	void (*visit)(void *arg, const char *id, const char *name, const char *json), void *arg);
/* Takes a record that its reader cannot use out of the way, kept for a person to look at, and logs it with the reason.
 */
fallible record_set_aside(Store *store, const char *kind, const char *id, const char *reason);

// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Volumes: data that outlives containers. One is a record of kind "volume" whose id is its name, and the directory
 * volumes/<name>/ with VOLUME_DATA, which containers see, and volume.json, the record's text for the day on which the
 * database is lost. The directory is there before the record is; a removal is the record's deletion, and what it
 * deletes lies under another name ("~<name>") from just before it until it is in the trash.
 *
 * Data is never dropped because of what is found: a directory without a record gets one again if there is anything in
 * it, and a record without a directory an empty one.
 *
 * An image's files are copied into an empty volume under VOLUME_COPY in the volume's directory; once all of them are on
 * the disk that is renamed to VOLUME_COPIED, whose entries are then moved into the data. Whoever opens the store ends
 * the second, and drops the first.
 */
#include <stdbool.h>

#include "base/strings.h"
#include "store/store.h"

#define VOLUME_DATA "_data"
#define VOLUME_COPY ".kedge-copy"
#define VOLUME_COPIED ".kedge-copied"

enum { VOLUME_NAME_MAX = 254 }; /* of a directory, less the mark of one that is being removed */

/* Docker's rule, by which a name is a directory's too: [a-zA-Z0-9][a-zA-Z0-9_.-]+ */
bool volume_name_is_valid(const char *name);
/* json: the record. What is there in the directory stays. Durable on return. */
fallible volume_put(Store *store, const char *name, const char *json);
/* All but the record, which is to be put in a transaction with others: a start before that drops what is empty. */
fallible volume_stage(Store *store, const char *name, const char *json);
fallible volume_delete(Store *store, const char *name); /* record and data; absent is fine */
/* Several, in one transaction with what `also` (which may be NULL, and may run twice) changes in records. */
fallible volumes_delete(Store *store, const StringList *names, Error *(*also)(void *arg), void *arg);
char *volumes_path(const Store *store); /* absolute */
/* What lies at staged (below the store's root, synced, in the same file system) becomes the data, in one step; what was
 * the data goes to the trash. On an error nothing has happened. Durable on return. */
fallible volume_exchange(Store *store, const char *name, const char *staged);
/* Moves what was copied into the data, so that it counts as a whole. */
fallible volume_settle(Store *store, const char *name);

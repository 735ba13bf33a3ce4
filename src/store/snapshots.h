// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * A container's own files: containers/<id>/{upper,work} and what the shim writes beside them (container.log*, exit).
 * Ids are 64 hex digits. A directory without a record of kind "container" is dropped at the next start, so it is made
 * before the record in one turn of the loop; one that a power cut took from a record is made again, empty.
 */
#include "base/strings.h"
#include "store/images.h"
#include "store/store.h"

fallible snapshot_make(Store *store, const char *container_id);    /* what is there stays */
fallible snapshot_discard(Store *store, const char *container_id); /* whole containers/<id> into the trash */
char *snapshot_path(const Store *store, const char *container_id, const char *name); /* absolute; name may be NULL */
/* "17:16:3": names below layers_path(), topmost first. A layer that occurs twice is listed once, at the top, which
 * shows the same. */
char *snapshot_lower(const Image *image);
char *layers_path(const Store *store);
/* Absolute directories topmost first: upper, then the layers (for user_resolve). */
void snapshot_directories(const Store *store, const char *container_id, const Image *image, StringList *ret);

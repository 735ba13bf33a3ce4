// SPDX-License-Identifier: Apache-2.0
#pragma once
/* What the store's own files share. Nobody outside this folder includes it. */
#include <stdint.h>

#include "base/table.h"
#include "oci/digest.h"
#include "store/database.h"
#include "store/images.h"
#include "store/layers.h"
#include "store/store.h"

enum { CONTAINER_ID_LENGTH = 64, STORE_PATH_MAX = 256 };

struct Store {
	char *root;
	int dir;     /* of root; its flock says that the store is in use */
	int sync_fd; /* of root too, but another open file: what a forked syncfs(2) may hold on to */
	Database *database;
	Table *leases;  /* text -> count, as a pointer */
	Table *staged;  /* digests whose resumable partial file somebody works on */
	int64_t stages; /* partial files beside those, ever */
	int64_t next_layer;
	int64_t reserved; /* bytes in the file reserve */
	uint64_t commits; /* renames that need a sync to be durable, ever */
	uint64_t synced;  /* commits that are durable */
	uint64_t trashed; /* names in trash/ given by this process */
	char trash_prefix[9];
	bool lost_records; /* until recovery is done: the database was found damaged, or is new */
};

/* ---- store.c ---- */
bool container_id_is_valid(const char *id);
fallible store_sync_if_needed(Store *store);
bool store_is_leased(const Store *store, const char *digest);

/* ---- layers.c ---- */
void digest_from_record(Digest *ret, const char *text); /* unset when text is NULL */
void layer_path(char ret[STORE_PATH_MAX], int64_t number);
fallible layer_insert(Store *store, const Layer *layer);
/* From what its directory says about itself, for a layer whose record is lost. */
fallible layer_recognise(Layer *ret, Store *store, int64_t number, bool *ret_known);
void layer_from_query(Layer *ret, const Query *query, int column); /* the columns LAYER_COLUMNS */
#define LAYER_COLUMNS "layers.number, layers.diff_id, layers.blob, layers.blob_size, layers.bytes, layers.is_opaque"

/* ---- blobs.c ---- */
void blob_path(char ret[STORE_PATH_MAX], const Digest *digest);
int64_t blob_size(const Store *store, const Digest *digest); /* -1 when not there */

/* ---- images.c ---- */
fallible image_seq(int64_t *ret, Store *store, const char *id); /* of a visible image; 0 without one */
fallible image_load(Image **ret, Store *store, int64_t seq);    /* *ret is NULL when there is none */
fallible image_name_put(Store *store, const char *name, int64_t seq, bool is_digest);
fallible image_not_found(const char *id);
char *image_tag_name(const Reference *reference); /* "busybox:latest" */
char *image_digest_name(const Reference *reference, const Digest *digest);
fallible image_erase(Store *store, int64_t seq); /* the record with all that hangs on it, within a transaction */
fallible image_hide(Store *store, int64_t seq);  /* its pins alone keep it, within a transaction */
fallible images_drop_hidden(Store *store);       /* those that nothing pins any more, within a transaction */

/* ---- records.c ---- */
int64_t record_sum(const char *json);

/* ---- recover.c ---- */
fallible recover_directories(Store *store); /* makes those that are missing */
fallible recover(Store *store);

/* ---- aside.c: records taken out of the way ---- */
fallible aside_put(
	Store *store, const char *kind, const char *id, const char *name, const char *json, const char *reason);
fallible aside_has(Store *store, const char *kind, const char *id, bool *ret);

/* ---- reserve.c ---- */
void reserve_tend(Store *store);                              /* makes it again when there is space */
bool reserve_give(Store *store);                              /* a step smaller; false when there is nothing left */
bool reserve_is_short_of(const Store *store, uint64_t bytes); /* of space beside it */
void reserve_make_room(void *store, Room room);

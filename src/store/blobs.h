// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Blobs by digest: blobs/sha256/<hex>. A blob is written to staging/<digest>.part, verified by whoever wrote it, and
 * becomes visible by blob_commit(). What is there is whole: nobody writes below blobs/.
 *
 * One at a time works on that partial file. Who stages the same digest meanwhile gets an empty file of its own, so that
 * a registry that lies cannot write into what came from another and was found good.
 */
#include <stdbool.h>
#include <stdint.h>

#include "oci/digest.h"
#include "store/store.h"

bool blob_has(
	Store *store, const Digest *digest, int64_t *ret_size); /* ret_size may be NULL; an empty file does not count */
fallible blob_open(int *ret_fd, Store *store, const Digest *digest);
fallible blob_read(char **ret, size_t *ret_length, Store *store, const Digest *digest, size_t max);
typedef struct BlobStage {
	Digest digest;  /* unset: nothing is staged */
	int64_t number; /* 0: the file that waits for another try when this one breaks off */
} BlobStage;

/*
 * Opens (makes) the partial file for reading and writing; *ret_offset is how much is there from an earlier try. After a
 * power cut its tail may be anything: whoever finds that the digest does not fit calls blob_abandon() and starts from
 * nothing. Each stage is ended by one of blob_commit(), blob_abandon() and
 * blob_leave(), which unset it.
 */
fallible blob_stage(BlobStage *ret, int *ret_fd, int64_t *ret_offset, Store *store, const Digest *digest);
/* Makes the staged file visible: rename only; durable after the caller's store_sync(), which image_put() and
 * layers_commit() do for one who forgot. */
fallible blob_commit(Store *store, BlobStage *stage);
fallible blob_abandon(Store *store, BlobStage *stage); /* the file goes */
void blob_leave(Store *store, BlobStage *stage);       /* the file waits for another try, unless it is one's own */
fallible blob_put(Store *store, const Digest *digest, const char *data,
	size_t length); /* small documents: staged, synced, committed, durable */
/* Renames a verified file of this file system in; durable as after blob_commit(). */
fallible blob_import(Store *store, const Digest *digest, int from_dir, const char *from_path);

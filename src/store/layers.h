// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Unpacked layers, by diff id, independent of what lies below them: layers/<number>/. Numbers are short so that an
 * overlay's lower list stays under a page. A layer is unpacked into staging and becomes visible by layers_commit(),
 * after store_sync() (invariant 2).
 */
#include <stdbool.h>
#include <stdint.h>

#include "base/strings.h"
#include "oci/digest.h"
#include "store/store.h"

typedef struct Layer {
	int64_t number;
	Digest diff_id;
	Digest blob; /* compressed, as pulled; unset when not kept */
	int64_t blob_size;
	int64_t bytes;  /* unpacked */
	bool is_opaque; /* its root is marked opaque: nothing below it shows. Set by layers_commit() from the directory
			   itself */
} Layer;

fallible layer_find(Store *store, const Digest *diff_id, Layer *ret, bool *ret_found);
/* Whether an image has it, be it one that is kept for its containers alone. */
fallible layer_is_used(Store *store, const Digest *diff_id, bool *ret);
/* Makes an empty staging directory; the number is reserved for layers_commit(). */
fallible layer_stage(Store *store, int64_t *ret_number, int *ret_dir_fd);
/* Sets trusted.overlay.opaque on the listed directories below a staged layer (no links followed); "." is the layer's
 * root. */
fallible layer_mark_opaque(Store *store, int64_t number, const StringList *directories);
/*
 * rename staging -> layers, fsync of the parent, then the record's transaction. layers: all of one image at once. A
 * diff id that is recorded by now (two pulls of one layer) keeps the layer it has; the staged one is discarded, so look
 * it up again by diff id. On an error nothing is recorded and nothing stays staged.
 */
fallible layers_commit(Store *store, const Layer *layers, size_t count);
/* Compressed blobs of layers are in nobody's use any more: the next store_collect() takes them, but for leased ones. */
fallible layers_drop_blobs(Store *store);
fallible layer_abandon(Store *store, int64_t number);

// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * An image whose compressed layers were dropped (keepBlobs: false) on its way out: layers that lack their blob are
 * compressed anew, one after the other, and configuration and manifest are written for what came of it. All of it lies
 * in the store's blobs under leases, and goes when the Repack is freed. Digests are other ones than the image came
 * with; for the same unpacked layers they are the same each time.
 */
#include "engine/engine.h"
#include "oci/digest.h"
#include "store/images.h"

typedef struct Repack Repack;

/* Once, from the loop; may free the Repack. manifest is NULL with an error. */
typedef void RepackDone(void *arg, Error *take_error, const Digest *manifest);

/* Whether a layer of the image lacks its blob. */
fallible repack_is_needed(bool *ret, Engine *engine, const Image *image);
fallible repack_start(Repack **ret, Engine *engine, const Image *image, RepackDone *done, void *arg);
Repack *repack_free(Repack *repack);
DEFINE_AUTOPTR(Repack, repack_free)

// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Image records: id (the configuration's digest), its manifest, its layers in order, and the names that point at it.
 * The configuration and the manifest are blobs, byte for byte. An image becomes visible in one transaction after all of
 * its layers (invariant 2).
 *
 * Pins: a container says which image it stands on. An image that is deleted while pinned is hidden: no call here but
 * image_pinned() and image_read_config() knows it, its layers and blobs stay, and it goes with its last pin. Whether
 * deleting it is allowed is the engine's rule.
 */
#include <stdbool.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/strings.h"
#include "oci/digest.h"
#include "oci/image_config.h"
#include "oci/reference.h"
#include "store/layers.h"

typedef struct Image {
	Digest id;
	Digest manifest;    /* unset for images without one (load of docker archives gets one made) */
	int64_t bytes;      /* unpacked, all layers */
	int64_t created_ns; /* of the configuration, wall */
	int64_t added_ns;   /* here, wall */
	Layer *layers;      /* lowest first */
	size_t layer_count;
	StringList tags;    /* familiar: "busybox:latest" */
	StringList digests; /* familiar: "busybox@sha256:..." */
	char *architecture, *os, *variant;
	StringMap labels; /* of the configuration, for filters */
} Image;

Image *image_free(Image *image);
DEFINE_AUTOPTR(Image, image_free)

/*
 * Records the image and its names in one transaction: the configuration's blob, the manifest's and all layers must be
 * there (ERROR_CONFLICT names what is not). The tag moves from another image; manifest, reference and repo_digest may
 * be NULL. An image that is there already gains the names; of two manifests it keeps the newer, unless only the older
 * one's layer blobs are here.
 */
fallible image_put(Store *store, const Digest *id, const Digest *manifest, const StringList *diff_ids,
	const ImageConfig *config, const Reference *reference, const Digest *repo_digest);
/* By reference, "sha256:..." id, or a unique id prefix of at least 2 hex digits. Not there: *ret is NULL. Ambiguous:
 * ERROR_CONFLICT. */
fallible image_find(Image **ret, Store *store, const char *name);
/* Newest first; false stops. Visit may change images: it gets each as it is by then. */
fallible image_each(Store *store, bool (*visit)(void *arg, Image *take), void *arg);
fallible image_tag(Store *store, const Digest *id, const Reference *reference); /* ERROR_NOT_FOUND without the image */
/* Removes one name; *ret_was_there says whether there was one. */
fallible image_untag(Store *store, const Reference *reference, bool *ret_was_there);
/* The registry of reference has the image under that digest: it was pushed there. ERROR_NOT_FOUND without the image. */
fallible image_add_digest(Store *store, const Digest *id, const Reference *reference, const Digest *repo_digest);
/*
 * Another repository of target's registry that has the layer's blob, as far as the names of images tell: one that uses
 * it was pulled from there or pushed to it. *ret is NULL when none is known.
 */
fallible blob_origin(char **ret, Store *store, const Digest *blob, const Reference *target);
fallible image_delete(Store *store, const Digest *id); /* record and names; layers and blobs by store_collect() */
fallible image_read_config(
	ImageConfig *ret, char **ret_text, Store *store, const Digest *id); /* ret_text may be NULL */

/* Replaces the container's pin. ERROR_NOT_FOUND without the image. With record_put() in one store_batch(): one sync. */
fallible image_pin(Store *store, const char *container_id, const Digest *id);
/* The image that the container stands on, hidden or not; *ret is NULL without a pin. */
fallible image_pinned(Image **ret, Store *store, const char *container_id);
/* Absent is fine. record_delete() of the container does it too. */
fallible image_unpin(Store *store, const char *container_id);

// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Brings one image into the store: unpacks its missing layers side by side while their blobs still arrive, checks every
 * diff id, and then makes blobs, layers and the image visible in the order of invariant 2. Where blobs come from (a
 * registry, an archive) is the caller's business.
 *
 * Handlers run from the loop. Freeing an Install that has not ended leaves nothing behind but partial blobs, for
 * resume.
 */
#include "base/error.h"
#include "engine/job.h"
#include "oci/image_config.h"
#include "oci/manifest.h"
#include "store/blobs.h"
#include "store/images.h"

typedef struct Install Install;

typedef struct InstallInput {
	Manifest *take_manifest; /* layers, lowest first; taken: left empty */
	Digest manifest_digest;  /* its blob is put by the caller */
	const char *config_text;
	size_t config_length;
	const Reference *reference; /* name to give; NULL: none */
	Digest repo_digest;         /* what the name's registry calls it; unset: none */
} InstallInput;

typedef void InstallDone(void *arg, Error *take_error, const Digest *image_id);

/* Errors: a configuration that does not fit the manifest. job gets the layers' progress. */
fallible install_new(Install **ret, Engine *engine, Job *job, const InstallInput *input, InstallDone *done, void *arg);
Install *install_free(Install *install);
DEFINE_AUTOPTR(Install, install_free)

size_t install_layer_count(const Install *install);
/* NULL when the layer is in the store, or comes with an earlier layer of the same content. */
const Descriptor *install_needs_blob(const Install *install, size_t layer);
/* The blob comes into a staged file: the Install commits it, or leaves it for another try. */
void install_stage(Install *install, size_t layer, const BlobStage *stage);
/* What came of it is of no use for another try. */
void install_stage_bad(Install *install, size_t layer);
/* The layer's blob, so far: fd is taken by the first call (-1 later). complete: it was verified. */
void install_blob(Install *install, size_t layer, int take_fd, int64_t available, bool complete);
/* All layers were asked for: ends at once, from the loop, when none is missing. */
void install_begin(Install *install);
const Descriptor *install_descriptor(const Install *install, size_t layer);

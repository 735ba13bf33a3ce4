// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * An image archive that kedge-unpack has taken apart: an OCI layout (index.json) or what `docker save` wrote before it
 * knew OCI (manifest.json). Sources: OCI image spec image-layout.md; moby image/spec/v1.2.md. Digests of its files come
 * from kedge-unpack and are not computed again.
 */
#include "base/strings.h"
#include "oci/manifest.h"
#include "store/store.h"

enum { ARCHIVE_IMAGES_MAX = 256 };

typedef struct Archive Archive;

typedef struct ArchiveImage {
	StringList names; /* references as the archive has them */
	Digest manifest;  /* set by archive_import() for a docker archive: its manifest is made then */
} ArchiveImage;

/* Reads the archive's own documents in directory. digests: path -> digest; copied. */
fallible archive_open(Archive **ret, int directory, const StringMap *digests);
Archive *archive_free(Archive *archive);
DEFINE_AUTOPTR(Archive, archive_free)
size_t archive_count(const Archive *archive);
const ArchiveImage *archive_image(const Archive *archive, size_t index);
/* Moves the image's files into the store's blobs: manifest, configuration and layers, each under its verified digest.
 */
fallible archive_import(Archive *archive, size_t index, Store *store, int directory);
fallible archive_read_manifest(Manifest *ret, Store *store, const Digest *digest);

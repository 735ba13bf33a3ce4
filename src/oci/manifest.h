// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Manifests and indexes, OCI and Docker schema 2. Sources: OCI image spec manifest.md, image-index.md; Docker image
 * manifest v2 schema 2. Everything is bounded: MANIFEST_MAX bytes, MANIFEST_LAYERS_MAX layers.
 */
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "oci/digest.h"
#include "oci/platform.h"

#define MEDIA_OCI_INDEX "application/vnd.oci.image.index.v1+json"
#define MEDIA_OCI_MANIFEST "application/vnd.oci.image.manifest.v1+json"
#define MEDIA_OCI_CONFIG "application/vnd.oci.image.config.v1+json"
#define MEDIA_OCI_LAYER "application/vnd.oci.image.layer.v1.tar"
#define MEDIA_OCI_LAYER_GZIP "application/vnd.oci.image.layer.v1.tar+gzip"
#define MEDIA_OCI_LAYER_ZSTD "application/vnd.oci.image.layer.v1.tar+zstd"
#define MEDIA_DOCKER_LIST "application/vnd.docker.distribution.manifest.list.v2+json"
#define MEDIA_DOCKER_MANIFEST "application/vnd.docker.distribution.manifest.v2+json"
#define MEDIA_DOCKER_CONFIG "application/vnd.docker.container.image.v1+json"
#define MEDIA_DOCKER_LAYER_GZIP "application/vnd.docker.image.rootfs.diff.tar.gzip"

enum { MANIFEST_MAX = 4 << 20, MANIFEST_LAYERS_MAX = 500, INDEX_ENTRIES_MAX = 1000 };

typedef struct Descriptor {
	char *media_type;
	Digest digest;
	int64_t size;
} Descriptor;

typedef struct Manifest {
	char *media_type;
	Descriptor config;
	Descriptor *layers;
	size_t layer_count;
} Manifest;

typedef struct IndexEntry {
	Descriptor descriptor;
	Platform platform;
	char *reference_name; /* annotation org.opencontainers.image.ref.name or io.containerd.image.name; NULL without
				 one */
} IndexEntry;

typedef struct Index {
	IndexEntry *entries;
	size_t count;
} Index;

typedef enum ManifestKind { MANIFEST_IMAGE, MANIFEST_INDEX } ManifestKind;

/* Decides by mediaType, the given content type (may be NULL) and the members that are there. Schema 1 is refused by
 * name. */
fallible manifest_kind(ManifestKind *ret, const char *text, size_t length, const char *content_type);
fallible manifest_parse(Manifest *ret, const char *text, size_t length);
void manifest_clear(Manifest *manifest);
DEFINE_AUTOCLEAR(Manifest, manifest_clear)
fallible index_parse(Index *ret, const char *text, size_t length);
void index_clear(Index *index);
DEFINE_AUTOCLEAR(Index, index_clear)
/* The best entry for a platform (borrowed); an error that lists what the image has when none fits. Attestations
 * (unknown/unknown) are skipped. */
fallible index_choose(const IndexEntry **ret, const Index *index, const Platform *wanted);
/* OCI image manifest as JSON text, for images made here. */
char *manifest_write(const Manifest *manifest);

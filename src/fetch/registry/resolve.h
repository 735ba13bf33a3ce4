// SPDX-License-Identifier: Apache-2.0
#pragma once
/* From a reference to an image's manifest and configuration: through an index by platform, every digest and size
 * verified. */
#include "base/cleanup.h"
#include "base/error.h"
#include "fetch/registry/registry.h"
#include "oci/manifest.h"
#include "oci/platform.h"

typedef struct Resolved {
	Buffer manifest, config;
	Buffer index; /* through which the manifest was found; empty: there was none */
	Digest digest, top_digest;
	char *media_type;
} Resolved;

typedef struct Resolve Resolve;

/* done is called once, with an error or a result (borrowed), and may free the Resolve. */
/* platform is borrowed; NULL: an index is a result, without configuration. */
Resolve *resolve_start(Registry *registry, const Platform *platform,
	void (*done)(void *arg, Error *take_error, const Resolved *resolved), void *arg);
Resolve *resolve_free(Resolve *resolve);
DEFINE_AUTOPTR(Resolve, resolve_free)

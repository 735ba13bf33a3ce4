// SPDX-License-Identifier: Apache-2.0
/* A document of one kind is never read as the other; an image that is accepted can be written and read back. */
#include <stdlib.h>

#include "base/strings.h"
#include "oci/manifest.h"

#include "fuzz.h"

#include <string.h>

static void try_index(const char *text, size_t size)
{
	autoclear(Index) index = {0};
	char os[] = "linux", architecture[] = "arm64";
	Platform wanted = {.os = os, .architecture = architecture};
	const IndexEntry *entry;

	if (error_free(index_parse(&index, text, size)) || index.count == 0)
		return;
	must_hold(index.count <= INDEX_ENTRIES_MAX);
	Error *error = index_choose(&entry, &index, &wanted);
	must_hold(error || digest_is_set(&entry->descriptor.digest));
	error_free(error);
}

static void try_image(const char *text, size_t size)
{
	autoclear(Manifest) manifest = {0}, again = {0};

	Error *error = manifest_parse(&manifest, text, size);
	if (error) {
		error_free(error);
		return;
	}
	must_hold(manifest.layer_count <= MANIFEST_LAYERS_MAX && digest_is_set(&manifest.config.digest));
	autofree char *written = manifest_write(&manifest);
	must_hold(!manifest_parse(&again, written, strlen(written)));
	must_hold(again.layer_count == manifest.layer_count &&
		  digest_equal(&again.config.digest, &manifest.config.digest));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = (const char *)data;
	ManifestKind kind = MANIFEST_IMAGE;

	Error *error = manifest_kind(&kind, text, size, NULL);
	if (!error && kind == MANIFEST_INDEX)
		try_index(text, size);
	if (!error && kind == MANIFEST_IMAGE)
		try_image(text, size);
	error_free(error);
	return 0;
}

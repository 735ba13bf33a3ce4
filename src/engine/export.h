// SPDX-License-Identifier: Apache-2.0
#pragma once
/* What leaves the device as a tar stream, or is only measured: each is work of a kedge-pack process. */
#include "engine/container.h"
#include "engine/pack.h"

/* The container's file system, as it sees it, without what is mounted into it. It may run, start or end meanwhile. */
fallible container_export(Pack **ret, Container *container, const PackHandlers *handlers, void *arg);

typedef struct CopyRequest {
	const char *path; /* in the container */
	const char *name; /* of the container, as the caller has it: for messages */
	bool look_only;   /* no archive */
} CopyRequest;

/*
 * A path as an archive, behind a line that says what it is and ends with a NUL (pack/copy.h). Of a container that runs
 * it is what its processes see now; of another, its files and what is bound into it.
 */
fallible container_copy_out(
	Pack **ret, Container *container, const CopyRequest *request, const PackHandlers *handlers, void *arg);

/* What it has changed of its image: "A/path", "C/path" (changed) or "D/path", each with a NUL behind it; or the same as
 * the archive of a layer. */
fallible container_changes(Pack **ret, Container *container, bool as_layer, const PackHandlers *handlers, void *arg);

/*
 * Images as one archive, both OCI layout and what `docker load` reads: manifests, configurations and layers are the
 * store's blobs, byte for byte. names: references, of which one without a tag means all tags of its repository, and
 * ids, which are saved without a name.
 */
fallible image_save(Pack **ret, Engine *engine, const StringList *names, const PackHandlers *handlers, void *arg);

/* What lies in directories, in bytes. */
typedef struct Sizes Sizes;
/* bytes: one for each path, in order; -1: could not be measured. NULL with an error. */
typedef void SizesDone(void *arg, Error *take_error, const int64_t *bytes);
fallible sizes_measure(Sizes **ret, Engine *engine, const StringList *paths, SizesDone *done, void *arg);
Sizes *sizes_free(Sizes *sizes); /* also in its done */
DEFINE_AUTOPTR(Sizes, sizes_free)
/* Of the image below a container, unpacked; 0 when it is not known. */
int64_t container_image_bytes(const Container *container);

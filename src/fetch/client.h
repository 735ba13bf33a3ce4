// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * kedged's side of kedge-fetch: one unprivileged, jailed process for one pull or push. It speaks the registry protocol,
 * verifies every digest and size, and writes blobs only into descriptors that it was handed. Handlers run from the
 * loop; they may free the fetcher. Freeing kills the process. Secrets travel over the socket, never in argv or
 * environment. The wire form between the two is fetch/wire.h. Errors are complete sentences for the user (`could not
 * pull "a:1": ...`).
 */
#include <stdbool.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/loop.h"
#include "fetch/access.h"
#include "oci/digest.h"
#include "oci/manifest.h"
#include "oci/platform.h"
#include "oci/reference.h"

typedef struct Fetcher Fetcher;

typedef struct FetchedImage {
	const char *manifest; /* text, as the registry sent it; its digest is verified here */
	size_t manifest_length;
	Digest manifest_digest; /* of the image manifest */
	const char *media_type;
	Digest top_digest;  /* what the tag pointed at: the index's digest where there is one, else manifest_digest */
	const char *config; /* text of the image configuration; who knows the manifest verifies it */
	size_t config_length;
} FetchedImage;

typedef struct FetcherHandlers {
	void (*resolved)(void *arg, const FetchedImage *image);
	void (*progress)(void *arg, const Digest *blob,
		int64_t bytes); /* at most every 512 kB or 100 ms; cumulative; falls back to a smaller number where a
				   broken blob starts afresh */
	void (*blob_done)(void *arg, const Digest *blob,
		Error *take_error); /* NULL: complete and verified (get), or stored (put) */
	void (*blob_skipped)(void *arg, const Digest *blob,
		const char *mounted_from); /* put: the registry has it (NULL), or has it now out of that other
					      repository; then blob_done follows */
	void (*manifest_done)(void *arg, const Digest *digest);    /* put */
	void (*logged_in)(void *arg, const char *identity_token);  /* NULL: the registry gave none */
	void (*found)(void *arg, const char *text, size_t length); /* what a search came to, as the registry sent it */
	void (*failed)(void *arg, Error *take_error); /* resolve or manifest failed, or the process ended */
	void (*retrying)(
		void *arg, const Digest *blob, int attempt, int64_t delay_ms, const char *reason); /* may be NULL */
} FetcherHandlers;

typedef struct FetcherOptions {
	const char *program;       /* path of kedge-fetch */
	const char *user;          /* to run as; NULL: "nobody" */
	int64_t retries;           /* per blob, without progress between them; default 5, negative: none */
	int64_t retry_interval_ms; /* before the first; doubles up to 30 s; default 1000 */
	int64_t parallel;          /* blobs at a time, default 3 */
	int64_t stall_timeout_s;   /* no byte for so long is a failure, default 30 */
	RegistryMirrors mirrors;   /* borrowed: asked before the registry, for a pull */
} FetcherOptions;

fallible fetcher_start(Fetcher **ret, Loop *loop, const FetcherOptions *options, const RegistryAccess *access,
	const Reference *reference, const FetcherHandlers *handlers, void *arg);
Fetcher *fetcher_free(Fetcher *fetcher);
DEFINE_AUTOPTR(Fetcher, fetcher_free)

/* Manifest (through an index by platform) and configuration; answers with resolved or failed. platform NULL: what the
 * reference names, which may be an index; then there is no configuration. */
fallible fetcher_resolve(Fetcher *fetcher, const Platform *platform);
/* Downloads into fd (borrowed: duplicated over the socket) from offset on (what is there already is hashed first).
 * Answers with blob_done. */
fallible fetcher_get(Fetcher *fetcher, const Digest *blob, int64_t size, int fd, int64_t offset);
/* Uploads unless the registry has it, here or in the repository mount_from (may be NULL). fd: the whole blob, readable.
 * Answers with blob_done. */
fallible fetcher_put(Fetcher *fetcher, const Digest *blob, int64_t size, int fd, const char *mount_from);
fallible fetcher_put_manifest(Fetcher *fetcher, const char *media_type, const char *text, size_t length);
/* Only checks the credentials (docker login). Answers with logged_in or failed. */
fallible fetcher_login(Fetcher *fetcher);
/* GET /v1/search, which Docker Hub and some registries have. Answers with found or failed. */
fallible fetcher_search(Fetcher *fetcher, const char *term, int64_t limit);

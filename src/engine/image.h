// SPDX-License-Identifier: Apache-2.0
#pragma once
/* Images: pull, push, load, tag, remove with Docker's rules. Long work gives a Job; the same pull asked for twice is
 * one Job. */
#include "engine/engine.h"
#include "engine/job.h"
#include "fetch/client.h"
#include "oci/platform.h"
#include "oci/reference.h"
#include "store/images.h"

/* Credentials of one request (X-Registry-Auth); may be all NULL. */
typedef struct ImageCredentials {
	char *username, *password, *identity_token;
} ImageCredentials;

fallible image_pull(Job **ret, Engine *engine, const Reference *reference, const Platform *platform,
	const ImageCredentials *credentials);
fallible image_push(Job **ret, Engine *engine, const Reference *reference, const ImageCredentials *credentials);
/* Checks credentials with the registry. */
fallible image_login(Job **ret, Engine *engine, const char *registry, const ImageCredentials *credentials);

/* A docker archive or OCI layout as a tar stream: feed it, then finish; the Job ends when the images are recorded.
 * Names loaded are JOB_RESULT lines. */
typedef struct ImageLoad ImageLoad;
fallible image_load_begin(ImageLoad **ret, Job **ret_job, Engine *engine);
fallible image_load_data(ImageLoad *load, const void *data, size_t length);
void image_load_finish(ImageLoad *load);  /* all data is in; load belongs to the Job from now on */
void image_load_abandon(ImageLoad *load); /* the client left */

/* ERROR_NOT_FOUND `no such image: x` when it is not there. */
fallible image_lookup(Image **ret, Engine *engine, const char *name);
/* ERROR_NOT_FOUND, as for a name without an image, when the image is for another platform and does not run on wanted:
 * who pulls what is missing gets the right one. */
fallible image_check_platform(Engine *engine, const char *name, const Platform *wanted);
fallible image_list(Image ***ret, size_t *ret_count, Engine *engine); /* newest first; image_list_free() */
void image_list_free(Image **images, size_t count);
/* The configuration of an image that image_lookup() or image_list() gave. */
fallible image_describe(ImageConfig *ret, Engine *engine, const Image *image);
fallible image_add_tag(Engine *engine, const char *name, const Reference *reference);

typedef struct ImageRemoval {
	StringList untagged, deleted;
} ImageRemoval;
fallible image_remove(ImageRemoval *ret, Engine *engine, const char *name, bool force);
void image_removal_clear(ImageRemoval *removal);
DEFINE_AUTOCLEAR(ImageRemoval, image_removal_clear)

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

void image_credentials_copy(ImageCredentials *to, const ImageCredentials *from);
void image_credentials_clear(ImageCredentials *credentials); /* wipes the secrets */
DEFINE_AUTOCLEAR(ImageCredentials, image_credentials_clear)

fallible image_pull(Job **ret, Engine *engine, const Reference *reference, const Platform *platform,
	const ImageCredentials *credentials);
fallible image_push(Job **ret, Engine *engine, const Reference *reference, const ImageCredentials *credentials);

/* A docker archive or OCI layout as a tar stream: feed it, then finish; the Job ends when the images are recorded.
 * Names loaded are JOB_RESULT lines. */
typedef struct ImageLoad ImageLoad;
fallible image_load_begin(ImageLoad **ret, Job **ret_job, Engine *engine);
fallible image_load_data(ImageLoad *load, const void *data, size_t length);
void image_load_finish(ImageLoad *load);  /* all data is in; load belongs to the Job from now on */
void image_load_abandon(ImageLoad *load); /* the client left */

/* A tar archive of a file system as an image of one layer; fed as ImageLoad is. The image's id is a JOB_RESULT line. */
typedef struct ImageImport ImageImport;
typedef struct ImportSettings {
	const Reference *reference; /* name to give; NULL: none */
	const char *message;        /* for the history; NULL: a word for where it came from */
	Platform platform;
	StringList changes; /* oci/change.h */
} ImportSettings;
fallible image_import_begin(ImageImport **ret, Job **ret_job, Engine *engine, const ImportSettings *settings);
fallible image_import_data(ImageImport *import, const void *data, size_t length);
void image_import_finish(ImageImport *import);  /* all data is in; import belongs to the Job from now on */
void image_import_abandon(ImageImport *import); /* the client left */

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

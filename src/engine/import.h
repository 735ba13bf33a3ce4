// SPDX-License-Identifier: Apache-2.0
#pragma once
/* What import and commit share: an image whose topmost layer comes as a tar stream. */
#include "engine/internal.h"

typedef struct NewImage {
	ImageConfig *take_config; /* all of it but the new layer's diff id; taken: left empty */
	const Image *base;        /* whose layers lie below; NULL: none */
	const Reference *reference;
	const char *what; /* "import the archive": for messages */
} NewImage;

typedef struct ImageImportHooks {
	void (*recorded)(void *arg, const Digest *id); /* it is there, durably; events are the hook's */
	void (*free)(void *arg);                       /* with the import */
	void *arg;
} ImageImportHooks;

/* The image's id is a JOB_RESULT line. hooks are called only when this succeeds. */
fallible image_import_begin_new(
	ImageImport **ret, Job **ret_job, Engine *engine, const NewImage *image, const ImageImportHooks *hooks);
void image_import_fail(ImageImport *import, Error *take_error); /* what feeds it has failed */

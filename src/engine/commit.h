// SPDX-License-Identifier: Apache-2.0
#pragma once
/* An image made of a container: its image's layers, and what it has changed as one more. */
#include "engine/container.h"
#include "engine/job.h"
#include "oci/image_config.h"
#include "oci/reference.h"

typedef struct CommitRequest {
	const Reference *reference; /* name to give; NULL: none */
	const char *author, *comment;
	bool pauses;               /* while its files are read, if it runs */
	const StringList *changes; /* oci/change.h */
	const ImageConfig *config; /* whose `config` goes before the container's; NULL: none */
} CommitRequest;

/* The image's id is a JOB_RESULT line; it is durable then. Event: commit. */
fallible container_commit(Job **ret, Container *container, const CommitRequest *request);

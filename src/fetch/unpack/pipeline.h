// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Unpacks one archive with three threads: one inflates into a ring of buffers, one hashes what is in it (the diff id),
 * one reads it as tar and writes the files; what is copied into a container is not hashed. They are joined by
 * pipeline_finish().
 */
#include <stdbool.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "fetch/unpack_client.h"

typedef struct Pipeline Pipeline;

typedef struct PipelineOptions {
	UnpackMode mode;
	UnpackLimits limits;
	int input_fd;           /* borrowed */
	int root;               /* borrowed */
	int wake_fd;            /* borrowed; an eventfd that is written to on progress and at the end; -1: none */
	bool sync;              /* syncfs(2) at the end */
	const UnpackCopy *copy; /* borrowed until the end; UNPACK_COPY alone */
} PipelineOptions;

fallible pipeline_start(Pipeline **ret, const PipelineOptions *options);
Pipeline *pipeline_free(Pipeline *pipeline); /* stops and joins */
DEFINE_AUTOPTR(Pipeline, pipeline_free)

/* How far the input may be read. */
void pipeline_allow(Pipeline *pipeline, int64_t available, bool complete);
int64_t pipeline_position(Pipeline *pipeline);
bool pipeline_is_done(Pipeline *pipeline); /* pipeline_finish() would not wait */
/* Waits for the end. The first error of any thread. */
fallible pipeline_finish(Pipeline *pipeline, UnpackResult *ret);

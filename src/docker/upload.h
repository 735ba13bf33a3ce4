// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * A body that a Job of the engine takes as it comes (load, import): bytes are handed on, the answer follows the Job
 * once the body is whole, and a client that leaves before ends it. Where the Job ends early, because what came is bad,
 * the rest is thrown away and the answer waits for the body's end.
 */
#include "docker/progress.h"

typedef struct UploadSink {
	Error *(*data)(void *sink, const void *bytes, size_t length);
	void (*finish)(void *sink);  /* all data is in; the sink is the Job's from now on */
	void (*abandon)(void *sink); /* the client left */
} UploadSink;

void upload_follow(HttpRequest *request, const UploadSink *taker, void *sink, Job *job, ProgressKind kind);

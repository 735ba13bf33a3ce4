// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * A Job's progress as Docker's JSON lines: {"status": "Downloading", "progressDetail": {...}, "progress": "[==>  ]
 * ...", "id": "..."}. Clients match these words. The stream begins with the first line or with the end, whichever comes
 * first: what fails before it is an HTTP error.
 */
#include "engine/job.h"
#include "http/server.h"

typedef enum ProgressKind { PROGRESS_PULL, PROGRESS_PUSH, PROGRESS_LOAD, PROGRESS_IMPORT } ProgressKind;

/* name: what PROGRESS_PULL and PROGRESS_PUSH move, "docker.io/library/busybox"; tag may be NULL. The request is
 * answered; a client that leaves lets the job go. */
void progress_follow(HttpRequest *request, Job *job, ProgressKind kind, const char *name, const char *tag);

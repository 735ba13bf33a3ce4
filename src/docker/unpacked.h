// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * A body that is an archive, unpacked as it comes and no faster than that goes; the answer is how it ended. A client
 * that leaves before the body's end breaks it off. Its route has HTTP_BODY_STREAM.
 */
#include "engine/intake.h"
#include "http/server.h"

/* What starts the work: gives handlers and arg to the engine. */
typedef Error *UnpackedStart(Intake **ret, const IntakeHandlers *handlers, void *arg, void *start_arg);

void unpacked_take(HttpRequest *request, UnpackedStart *start, void *start_arg);

// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * An archive as the answer, as fast as its client takes it and no faster. What fails before the first byte is told as
 * any error is; later the connection is broken off, so that the client does not take a torn archive for a whole one. A
 * client that leaves ends the work.
 */
#include "engine/pack.h"
#include "http/server.h"

/* What starts the work: gives handlers and arg to the engine. */
typedef Error *PackedStart(Pack **ret, const PackHandlers *handlers, void *arg, void *start_arg);

void packed_respond(HttpRequest *request, PackedStart *start, void *start_arg);

/* Work that writes a line before the archive, which ends with a NUL: head() makes headers of it. Where nothing follows
 * the line, the answer has no body. */
typedef Error *PackedHead(HttpRequest *request, const char *line);

void packed_respond_behind(HttpRequest *request, PackedStart *start, void *start_arg, PackedHead *head);

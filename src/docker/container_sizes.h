// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Sizes of containers and volumes for those answers that show them (ps -s, inspect?size=1, system df, prunes). Trees
 * are measured by another process; until it has ended the request waits, and nothing else does.
 */
#include "engine/container.h"
#include "http/server.h"
#include "json/writer.h"

typedef struct ContainerSizes ContainerSizes;

/* Called with the same request and context once the sizes are there. */
typedef void SizedHandler(HttpRequest *request, void *context, const ContainerSizes *sizes);

/* Answers with an error itself when nothing can be measured. */
void container_sizes_measure(
	HttpRequest *request, void *context, Container *const *containers, size_t count, SizedHandler *handler);
/* The same with volumes, by name. */
void sizes_measure_with_volumes(HttpRequest *request, void *context, Container *const *containers, size_t count,
	const StringList *volumes, SizedHandler *handler);
/* What is in it; -1 when that is not known. */
int64_t volume_size(const ContainerSizes *sizes, const char *name);
/* What it has written; 0 when that is not known. */
int64_t container_size(const ContainerSizes *sizes, const Container *container);
/* "SizeRw" and "SizeRootFs"; nothing when sizes is NULL or the container was made meanwhile. */
void write_container_sizes(Writer *writer, const Container *container, const ContainerSizes *sizes);

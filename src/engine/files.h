// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Where a helper program finds a container's files: of one that runs, what its processes see, with all that is mounted
 * there; of another, its layers and binds, described for the helper to mount (base/rootfs.h).
 */
#include "base/buffer.h"
#include "engine/container.h"

typedef struct ContainerFiles {
	int root; /* -1: described */
	Buffer description;
} ContainerFiles;

void container_files_clear(ContainerFiles *files);
DEFINE_AUTOCLEAR(ContainerFiles, container_files_clear)

/* stays: what is written into a described one is the container's; no two may do so at a time, nor may it run. */
fallible container_files_open(ContainerFiles *ret, const Container *container, bool stays);

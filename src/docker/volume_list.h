// SPDX-License-Identifier: Apache-2.0
#pragma once
/* Volumes as system df shows them. */
#include "docker/container_sizes.h"
#include "engine/volume.h"

typedef struct VolumeUse {
	const Table *users;
	const ContainerSizes *sizes;
} VolumeUse;

void volume_names(StringList *ret, Engine *engine);                              /* all, to be measured */
void write_volumes(Writer *writer, Engine *engine, const ContainerSizes *sizes); /* "Volumes", with their use */

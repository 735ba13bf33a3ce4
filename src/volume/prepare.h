// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * What a container's volumes take before it can have them, done in a child of kedged: those with options are mounted,
 * and into those that are empty goes what the container's image has in their place. Whoever copies first, copies:
 * the volume's directory is locked meanwhile.
 *
 * The copy is made beside the data and moved into it when all of it is on the disk (store/volumes.h has the names): a
 * volume never holds a part of it. The child sees the container's files as its root while it copies, and has the seven
 * capabilities that copying takes.
 */
#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"

typedef struct VolumeWork {
	const char *directory;         /* <root>/volumes/<name> */
	const char *target;            /* where the container has it; NULL: nothing is copied */
	const char *type, *device, *o; /* type NULL: it is no mount */
} VolumeWork;

typedef struct VolumeWorks {
	const VolumeWork *items;
	size_t count;
	bool mounts; /* for a start: what has options stays mounted; else it is mounted to be copied into, unseen */
	const char *data, *copy, *copied;   /* names in a volume's directory */
	const char *upper, *layers, *lower; /* the container's files: names in lower are below layers, topmost first */
} VolumeWorks;

/* In a child that may change its root, and ends. */
Error *volumes_prepare(const void *works);
/* Whether there is nothing in the data but what a copy left that came to no end. */
bool volume_is_empty(int directory, const char *data, const char *copy);

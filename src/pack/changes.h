// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * What a container has changed of its image: each path of its upper directory, held against the layers below. What was
 * made for it, as places to mount on, is no change of its own. Source: moby pkg/archive, OverlayChanges;
 * daemon/initlayer.
 */
#include "base/strings.h"
#include "base/table.h"

typedef struct Changes {
	StringList lines; /* "A/path", "C/path" or "D/path", in the order of their paths */
	Table *made;      /* paths without slash that are not among them, and no part of a layer */
} Changes;

void changes_clear(Changes *changes);
DEFINE_AUTOCLEAR(Changes, changes_clear)

/* Before rights are given up: reading overlay's marks takes them. lower -1: nothing is below. */
fallible changes_find(Changes *ret, int upper, int lower, const Table *opaque);

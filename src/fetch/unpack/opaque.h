// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Directories that hide what lower layers have below them. They are only listed here: setting trusted.overlay.opaque
 * takes CAP_SYS_ADMIN, which this process has not. Listed by their real path, without links in it, so that whoever sets
 * the mark need not follow any.
 */
#include <stddef.h>

#include "base/error.h"
#include "base/strings.h"
#include "base/table.h"

enum { OPAQUE_MAX = 16384 };

typedef struct OpaqueSet {
	int root; /* borrowed */
	Table *seen;
	StringList paths; /* relative to root; "." is root itself */
} OpaqueSet;

void opaque_init(OpaqueSet *set, int root);
void opaque_clear(OpaqueSet *set);
/* Changes the working directory. */
fallible opaque_add(OpaqueSet *set, int directory);
/* Drops what is no directory any more. */
void opaque_settle(OpaqueSet *set);

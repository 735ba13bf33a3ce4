// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Directories of the host that are bound into the container and lie on a file system that another machine or program
 * serves, or may do so: looking at them may take for ever, so that the engine leaves it to the container's shim.
 */
#include "shim/settings.h"

/* Makes those that are missing, and binds the sources (sources.h), in a process of its own that has as long as the
 * runtime has. */
fallible distant_prepare(const ShimSettings *settings, int host);

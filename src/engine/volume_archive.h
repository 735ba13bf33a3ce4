// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * A volume as an archive, and an archive as a volume. The archive's first entry, "./", is the volume's own directory.
 */
#include "engine/intake.h"
#include "engine/pack.h"

/* All that is in it, while containers may use it; one that is mounted by its options is so until the archive's end. It
 * is not removed and not imported into meanwhile. */
fallible volume_export(Pack **ret, Engine *engine, const char *name, const PackHandlers *handlers, void *arg);
/*
 * Unpacked beside the volume, and put in place of what was in it in one step when all of it is on the disk; before that
 * nothing has happened to the volume. No container that runs may have it, nor begin to before the end. Refused for one
 * that is mounted by its options.
 */
fallible volume_import(Intake **ret, Engine *engine, const char *name, const IntakeHandlers *handlers, void *arg);

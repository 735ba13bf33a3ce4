// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Makes the entries of an archive below a directory, within limits. The rules of each kind of archive are in layer.c,
 * archive.c and copy.c. Errors name the entry: `layer entry "a/b": ...`. What was made before an error stays: the
 * caller throws the directory away.
 */
#include <stdint.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "fetch/unpack/tar.h"
#include "fetch/unpack_client.h"

enum { UNPACK_DIGESTS_MAX = 4096 };

typedef struct Extractor Extractor;

Extractor *extractor_new(int root, UnpackMode mode, const UnpackLimits *limits); /* root is borrowed */
Extractor *extractor_free(Extractor *extractor);
DEFINE_AUTOPTR(Extractor, extractor_free)

/* For UNPACK_COPY: copy is borrowed. */
void extractor_copy(Extractor *extractor, const UnpackCopy *copy);
/* All entries, until the archive's end. */
fallible extractor_run(Extractor *extractor, TarReader *reader);
/* What came of it; diff_id is not touched. */
fallible extractor_finish(Extractor *extractor, UnpackResult *ret);

// SPDX-License-Identifier: Apache-2.0
#pragma once
/* gzip to a descriptor, with the digests of what goes in and of what comes out. The same bytes give the same bytes: no
 * time and no name are in the header. */
#include <stddef.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "oci/digest.h"

typedef struct Squeeze Squeeze;

Squeeze *squeeze_new(int fd); /* borrowed. After hash_prepare() */
fallible squeeze_add(void *squeeze, const void *data, size_t length);
fallible squeeze_end(Squeeze *squeeze, Digest *ret_plain, Digest *ret_squeezed);
Squeeze *squeeze_free(Squeeze *squeeze);
DEFINE_AUTOPTR(Squeeze, squeeze_free)

// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Digests of byte streams (OpenSSL EVP). For the helper programs kedge-fetch and kedge-unpack: kedged itself hashes
 * nothing large and does not link this.
 */
#include <stddef.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "oci/digest.h"

typedef struct Hash Hash;

/* Loads the algorithms without reading configuration files: before a jail is entered and before threads start. */
void hash_prepare(void);
Hash *hash_new(void); /* sha256 */
/* The algorithm that a digest names; ERROR_UNSUPPORTED for one that is not computed here. */
fallible hash_new_for(Hash **ret, const Digest *digest);
void hash_add(Hash *hash, const void *data, size_t length);
void hash_end(Hash *hash, Digest *ret); /* the hash starts afresh */
Hash *hash_free(Hash *hash);
DEFINE_AUTOPTR(Hash, hash_free)

// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Content digests as text ("sha256:<64 hex>", "sha512:<128 hex>"), checked when parsed. Source: OCI image spec,
 * descriptor.md. Blobs are hashed in kedge-fetch and kedge-unpack (fetch/hash.h); digest_of() is for small documents.
 */
#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"

enum { DIGEST_TEXT_MAX = 7 + 128 + 1 };

typedef struct Digest {
	char text[DIGEST_TEXT_MAX]; /* "" means none */
} Digest;

fallible digest_parse(Digest *ret, const char *text);
bool digest_is_set(const Digest *digest);
bool digest_equal(const Digest *a, const Digest *b);
const char *digest_hex(const Digest *digest);                 /* behind the colon */
const char *digest_short(char ret[13], const Digest *digest); /* first 12 hex digits */
void digest_of(Digest *ret, const void *data, size_t length); /* sha256 */

/* The same of what comes in pieces. */
typedef struct DigestSum DigestSum;
DigestSum *digest_sum_new(void);
DigestSum *digest_sum_free(DigestSum *sum);
void digest_sum_add(DigestSum *sum, const void *data, size_t length);
void digest_sum_end(DigestSum *sum, Digest *ret); /* once, after the last piece */

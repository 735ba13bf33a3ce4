// SPDX-License-Identifier: Apache-2.0
/*
 * Digests of small documents that are made here. Nettle is in kedged's address space already (libmicrohttpd brings it);
 * OpenSSL's libcrypto is not.
 */
#include <nettle/sha2.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/strings.h"
#include "oci/digest.h"

void digest_of(Digest *ret, const void *data, size_t length)
{
	struct sha256_ctx context;
	uint8_t sum[SHA256_DIGEST_SIZE];
	char *hex;

	sha256_init(&context);
	sha256_update(&context, length, data);
	sha256_digest(&context, sizeof(sum), sum);
	hex = string_hex(sum, sizeof(sum));
	snprintf(ret->text, sizeof(ret->text), "sha256:%s", hex);
	free(hex);
}

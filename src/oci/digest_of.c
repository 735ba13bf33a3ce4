// SPDX-License-Identifier: Apache-2.0
/*
 * Digests of small documents that are made here, and of uploads, a piece with each turn of the loop. Nettle is in
 * kedged's address space already (libmicrohttpd brings it); OpenSSL's libcrypto is not.
 */
#include <nettle/sha2.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/memory.h"
#include "base/strings.h"
#include "oci/digest.h"

struct DigestSum {
	struct sha256_ctx context;
};

static void end(struct sha256_ctx *context, Digest *ret)
{
	uint8_t sum[SHA256_DIGEST_SIZE];
	char *hex;

	sha256_digest(context, sizeof(sum), sum);
	hex = string_hex(sum, sizeof(sum));
	snprintf(ret->text, sizeof(ret->text), "sha256:%s", hex);
	free(hex);
}

void digest_of(Digest *ret, const void *data, size_t length)
{
	struct sha256_ctx context;

	sha256_init(&context);
	sha256_update(&context, length, data);
	end(&context, ret);
}

DigestSum *digest_sum_new(void)
{
	DigestSum *sum = mem_new(DigestSum);

	sha256_init(&sum->context);
	return sum;
}

DigestSum *digest_sum_free(DigestSum *sum)
{
	free(sum);
	return NULL;
}

void digest_sum_add(DigestSum *sum, const void *data, size_t length)
{
	sha256_update(&sum->context, length, data);
}

void digest_sum_end(DigestSum *sum, Digest *ret)
{
	end(&sum->context, ret);
}

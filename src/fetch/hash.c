// SPDX-License-Identifier: Apache-2.0
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/memory.h"
#include "base/strings.h"
#include "fetch/hash.h"

struct Hash {
	EVP_MD_CTX *context;
	const EVP_MD *algorithm;
	const char *name;
};

/* What fails here is memory, which is fatal as in mem_alloc(). */
static void must(int ok)
{
	if (ok == 1)
		return;
	log_error("could not compute a digest: out of memory");
	abort();
}

void hash_prepare(void)
{
	autoptr(Hash) hash = NULL;
	Digest digest;

	must(OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG | OPENSSL_INIT_NO_ATEXIT, NULL));
	hash = hash_new();
	hash_end(hash, &digest);
}

static Hash *hash_make(const char *name, const EVP_MD *algorithm)
{
	Hash *hash = mem_new(Hash);

	hash->name = name;
	hash->algorithm = algorithm;
	hash->context = EVP_MD_CTX_new();
	must(hash->context != NULL);
	must(EVP_DigestInit_ex(hash->context, algorithm, NULL));
	return hash;
}

Hash *hash_new(void)
{
	return hash_make("sha256", EVP_sha256());
}

Error *hash_new_for(Hash **ret, const Digest *digest)
{
	if (string_starts(digest->text, "sha256:"))
		*ret = hash_new();
	else if (string_starts(digest->text, "sha512:"))
		*ret = hash_make("sha512", EVP_sha512());
	else
		return error_new(ERROR_UNSUPPORTED, "cannot compute digest \"%s\": unknown algorithm", digest->text);
	return NULL;
}

void hash_add(Hash *hash, const void *data, size_t length)
{
	must(EVP_DigestUpdate(hash->context, data, length));
}

void hash_end(Hash *hash, Digest *ret)
{
	unsigned char sum[EVP_MAX_MD_SIZE];
	unsigned length = 0;
	int at = snprintf(ret->text, sizeof ret->text, "%s:", hash->name);

	must(EVP_DigestFinal_ex(hash->context, sum, &length));
	for (unsigned i = 0; i < length; i++)
		at += snprintf(ret->text + at, sizeof ret->text - (size_t)at, "%02x", sum[i]);
	must(EVP_DigestInit_ex(hash->context, hash->algorithm, NULL));
}

Hash *hash_free(Hash *hash)
{
	if (!hash)
		return NULL;
	EVP_MD_CTX_free(hash->context);
	free(hash);
	return NULL;
}

// SPDX-License-Identifier: Apache-2.0
#include "login/hash.h"

#include <sodium.h>
#include <string.h>

enum { PASSES = 2, MEMORY = 19 << 20 };

_Static_assert(HASH_TEXT_MAX >= crypto_pwhash_STRBYTES, "libsodium's hashes are longer");

fallible hash_prepare(void)
{
	return sodium_init() < 0 ? error_new(ERROR_INTERNAL, "could not prepare libsodium") : NULL;
}

fallible hash_make(char ret[HASH_TEXT_MAX], const char *password)
{
	if (crypto_pwhash_str_alg(ret, password, strlen(password), PASSES, MEMORY, crypto_pwhash_ALG_ARGON2ID13) != 0)
		return error_new(ERROR_UNAVAILABLE, "there is not enough memory to hash a password");
	return NULL;
}

bool hash_matches(const char *hash, const char *password)
{
	char other[HASH_TEXT_MAX];

	if (hash)
		return crypto_pwhash_str_verify(hash, password, strlen(password)) == 0;
	error_free(hash_make(other, password)); /* for the time that it takes */
	return false;
}

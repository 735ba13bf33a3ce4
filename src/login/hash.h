// SPDX-License-Identifier: Apache-2.0
#pragma once
/* Passwords as argon2id keeps them ("$argon2id$v=19$..."): slow and large on purpose, 19 MiB and two passes, so that a
 * file that is stolen does not give them away (RFC 9106; the parameters are OWASP's). libsodium is seen here alone. */
#include <stdbool.h>

#include "base/error.h"

enum { HASH_TEXT_MAX = 128 };

fallible hash_prepare(void); /* before a jail that has no random device */
fallible hash_make(char ret[HASH_TEXT_MAX], const char *password);
/* hash NULL: takes as long as if there was one, and is wrong. */
bool hash_matches(const char *hash, const char *password);

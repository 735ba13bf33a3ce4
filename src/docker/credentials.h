// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Credentials as Docker's clients send them: base64url of {"username", "password", "auth", "identitytoken",
 * "serveraddress"} in X-Registry-Auth, or the same object as a body. Never logged, never shown (invariant 9).
 */
#include "engine/image.h"
#include "json/value.h"

enum { REGISTRY_AUTH_MAX = 32 << 10 };

/* header NULL or "": no credentials. */
fallible credentials_parse(ImageCredentials *ret, const char *header);
fallible credentials_read(ImageCredentials *ret, const Value *object);

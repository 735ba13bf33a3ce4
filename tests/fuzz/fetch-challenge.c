// SPDX-License-Identifier: Apache-2.0
/* WWW-Authenticate: whatever a server writes is read, and a bearer challenge without a place to go is none. */
#include "fetch/registry/auth.h"

#include "fuzz.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	autofree char *header = strndup((const char *)data, size);
	autoclear(Challenge) challenge = {0};

	challenge_parse(&challenge, header);
	must_hold(challenge.scheme != CHALLENGE_BEARER || !string_empty(challenge.realm));
	must_hold(!challenge.realm || strlen(challenge.realm) <= size);
	return 0;
}

// SPDX-License-Identifier: Apache-2.0
/* X-Registry-Auth: base64url of JSON. */
#include <string.h>

#include "docker/credentials.h"

#include "base/memory.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	autofree char *text = mem_strndup((const char *)data, size);
	autoclear(ImageCredentials) credentials = {0};
	Error *error = credentials_parse(&credentials, text);

	must_hold(!error || (!credentials.username && !credentials.password && !credentials.identity_token));
	must_hold(!credentials.username || *credentials.username);
	error_free(error);
	return 0;
}

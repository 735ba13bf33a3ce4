// SPDX-License-Identifier: Apache-2.0
/* config.json: what is found in it goes into a header of one line. */
#include "cli/config.h"

#include <string.h>

#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	autoclear(Config) config = {0};
	autoclear(Credentials) credentials = {0};

	if (error_free(config_parse(&config, (const char *)data, size)) || !config.root)
		return 0;
	Error *error = config_find_kept(&credentials, &config, "localhost:5000");
	if (!error) {
		autofree char *header = credentials_header(&credentials, "localhost:5000");
		must_hold(!strpbrk(header, "\r\n"));
	}
	error_free(error);
	return 0;
}

// SPDX-License-Identifier: Apache-2.0
/* Paths against patterns, and percent decoding. */
#include <string.h>

#include "http/route.h"

#include "base/memory.h"
#include "fuzz.h"

static void check_decoded(const char *text, size_t length)
{
	char *decoded = NULL;
	Error *error = percent_decode(&decoded, text, length);

	must_hold(!error == (decoded != NULL));
	if (decoded) {
		must_hold(strlen(decoded) <= length);
		must_hold(string_is_utf8(decoded, strlen(decoded)));
	}
	free(decoded);
	error_free(error);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const patterns[] = {"/a", "/a/{x}", "/a/{x}/b", "/a/{x...}", "/a/{x...}/b", "/{x}/{y}/{z}"};
	autofree char *path = mem_strndup((const char *)data, size);
	RouteMatch match;

	for (size_t i = 0; i < sizeof(patterns) / sizeof(patterns[0]); i++) {
		if (!route_match(&match, patterns[i], path))
			continue;
		for (size_t n = 0; n < match.count; n++) {
			must_hold(match.params[n].value_length > 0);
			must_hold(match.params[n].value + match.params[n].value_length <= path + strlen(path));
		}
	}
	check_decoded((const char *)data, size);
	return 0;
}

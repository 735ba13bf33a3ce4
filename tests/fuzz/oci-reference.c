// SPDX-License-Identifier: Apache-2.0
/* What is accepted is written, in full and as people write it, so that it is read as the same again; nothing of it is a
 * path. */
#include "base/strings.h"
#include "oci/reference.h"

#include "fuzz.h"

#include <string.h>

static void check_same(const Reference *reference, const char *text)
{
	autoclear(Reference) again = {0};

	must_hold(!reference_parse(&again, text));
	must_hold(string_equal(again.registry, reference->registry) &&
		  string_equal(again.repository, reference->repository));
	must_hold(string_equal(again.tag, reference->tag) && digest_equal(&again.digest, &reference->digest));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	autofree char *text = strndup((const char *)data, size);
	autoclear(Reference) reference = {0};

	if (error_free(reference_parse(&reference, text)) || !reference.registry)
		return 0;
	autofree char *full = reference_full(&reference), *familiar = reference_familiar(&reference);
	check_same(&reference, full);
	check_same(&reference, familiar);
	must_hold(!strstr(reference.registry, "..") && !strchr(reference.registry, '/'));
	must_hold(!strstr(reference.repository, "..") && !strstr(reference.repository, "//"));
	return 0;
}
